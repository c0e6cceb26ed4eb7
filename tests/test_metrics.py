"""Metrics agree with their definitions and refuse what has none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlplat_assets.metrics import (
    calibration_noise,
    expected_calibration_error,
    reliability,
    score,
)
from mlplat_assets.model_spec import METRICS


def test_every_metric_that_a_gate_may_name_is_computed() -> None:
    truth, found = [0, 1, 1, 0], [0.1, 0.8, 0.6, 0.3]
    assert set(score("binary", truth, found)) == set(METRICS["binary"])
    assert set(score("regression", truth, found)) == set(METRICS["regression"])
    assert set(score("multiclass", truth, [[1 - p, p] for p in found])) == set(
        METRICS["multiclass"]
    )
    assert list(score("binary", truth, found, ("ece", "auc"))) == ["ece", "auc"]


def test_two_classes_are_a_binary_model_by_another_name() -> None:
    generator = np.random.default_rng(0)
    probability = generator.random(300)
    truth = (generator.random(300) < probability).astype(float)
    one = score("binary", truth, probability)
    two = score("multiclass", truth, np.stack((1 - probability, probability), axis=1))
    assert two["macro_auc"] == pytest.approx(one["auc"])
    assert two["log_loss"] == pytest.approx(one["log_loss"])
    assert two["accuracy"] == pytest.approx(one["accuracy"])


def test_metrics_of_three_classes_match_values_worked_by_hand() -> None:
    certain = np.eye(3)[[0, 1, 1, 2]] * 0.7 + 0.1
    found = score("multiclass", [0, 1, 2, 2], certain)
    assert found["accuracy"] == pytest.approx(0.75)
    # F1 of the classes: 1, 2 / 3, 2 / 3; areas: 1, (3 + 1.5) / 6 of 3 pairs, 3 / 4.
    assert found["macro_f1"] == pytest.approx(7 / 9)
    assert found["macro_auc"] == pytest.approx((1 + 2.5 / 3 + 0.75) / 3)
    assert found["log_loss"] == pytest.approx(-(3 * np.log(0.8) + np.log(0.1)) / 4)
    assert found["ece"] == pytest.approx(0.05)


def test_a_class_that_does_not_occur_is_in_no_mean() -> None:
    three = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1], [0.1, 0.8, 0.1]])
    found = score("multiclass", [0, 1, 0, 1], three)
    assert found["macro_auc"] == found["macro_f1"] == found["accuracy"] == 1.0


def test_calibration_noise_is_the_error_of_perfectly_calibrated_rows() -> None:
    generator = np.random.default_rng(2)
    errors, truth, probability = [], np.empty(0), np.empty(0)
    for _ in range(200):
        probability = generator.random(2000)
        truth = (generator.random(2000) < probability).astype(float)
        errors.append(expected_calibration_error(truth, probability))
    assert calibration_noise(truth, probability) == pytest.approx(np.mean(errors), rel=0.05)


def test_a_perfect_ranking_has_auc_one_and_a_reversed_one_zero() -> None:
    assert score("binary", [0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])["auc"] == 1.0
    assert score("binary", [1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9])["auc"] == 0.0


def test_metrics_match_values_worked_by_hand() -> None:
    found = score("binary", [0, 1, 0, 1], [0.5, 0.5, 0.0, 1.0])
    assert found["brier"] == pytest.approx(0.125)
    assert found["accuracy"] == pytest.approx(0.75)
    assert found["auc"] == pytest.approx(0.875)
    errors = score("regression", [1.0, 2.0, 6.0], [1.0, 4.0, 5.0])
    assert errors["mae"] == pytest.approx(1.0)
    assert errors["rmse"] == pytest.approx((5 / 3) ** 0.5)
    assert errors["r2"] == pytest.approx(1 - 5 / 14)


def test_float32_predictions_of_zero_and_one_have_a_finite_log_loss() -> None:
    found = score("binary", np.array([0, 1]), np.array([1.0, 0.0], dtype=np.float32))
    assert np.isfinite(found["log_loss"])


def test_calibration_error_is_the_gap_of_rates_where_bins_are_single_values() -> None:
    probability = np.repeat([0.2, 0.7], 10)
    truth = np.array([1] * 4 + [0] * 6 + [1] * 7 + [0] * 3, dtype=float)
    assert expected_calibration_error(truth, probability, bins=2) == pytest.approx(0.1)


def test_calibrated_predictions_have_a_small_calibration_error() -> None:
    generator = np.random.default_rng(1)
    probability = generator.random(50_000)
    truth = (generator.random(50_000) < probability).astype(float)
    assert expected_calibration_error(truth, probability) < 0.01
    assert expected_calibration_error(truth, probability**2) > 0.1


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_calibration_bins_hold_every_row_once_and_ignore_the_order_of_rows(
    data: st.DataObject,
) -> None:
    levels = data.draw(st.lists(st.integers(0, 6), min_size=1, max_size=60))
    truth = np.array(
        data.draw(st.lists(st.integers(0, 1), min_size=len(levels), max_size=len(levels)))
    )
    probability = np.array(levels) / 6
    predicted, observed, rows = reliability(truth, probability)
    assert rows.sum() == len(levels)
    assert (rows > 0).all()
    assert (np.diff(predicted) > 0).all()
    shuffled = np.random.default_rng(0).permutation(len(levels))
    again = reliability(truth[shuffled], probability[shuffled])
    np.testing.assert_allclose(again[1], observed)


@pytest.mark.parametrize(
    ("truth", "found", "message"),
    [
        ([1, 1], [0.2, 0.3], "both 0 and 1"),
        ([0, 2], [0.2, 0.3], "both 0 and 1"),
        ([0, 1], [0.2, float("nan")], "1 of 2 predictions are not finite"),
        ([0, 1], [0.2], "shape"),
        ([], [], "at least one"),
    ],
)
def test_rows_that_define_no_metric_are_refused(
    truth: list[int], found: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        score("binary", truth, found)


def test_classes_that_are_no_indices_or_only_one_are_refused() -> None:
    with pytest.raises(ValueError, match="two or more of 0 to 1"):
        score("multiclass", [1, 1], [[0.5, 0.5], [0.5, 0.5]])
    with pytest.raises(ValueError, match="two or more of 0 to 1"):
        score("multiclass", [0, 2], [[0.5, 0.5], [0.5, 0.5]])
    with pytest.raises(ValueError, match="shape"):
        score("multiclass", [0, 1], [0.5, 0.5])
