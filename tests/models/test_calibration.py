"""Calibration moves probabilities to what comes true, keeps the order, and is in the graph."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_softmax, logit, softmax
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from bentos.model_server.artefact.predictor import Predictor
from mlplat_assets.model_spec import Calibration
from mlplat_assets.models.artefact import input_columns, write_artefact
from mlplat_assets.models.trainers.calibration import (
    Temperature,
    calibrated,
    isotonic,
    temperature,
)
from mlplat_assets.models.trainers.feeding import predict, tensors
from mlplat_assets.models.trainers.fitting import Fitted, fit
from tests.models.test_trainer import (
    CATEGORICAL,
    HOLDOUT,
    NUMERIC,
    TABULAR,
    TRAIN,
    VALIDATION,
)

RNG = np.random.default_rng(5)


class Given(nn.Module):
    """Serves its first number."""

    def forward(self, numeric: Tensor, _categorical: Tensor) -> Tensor:
        """The column."""
        return numeric[:, 0]


def overconfident(rows: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities whose logits are `factor` times too large."""
    truth_logit = RNG.normal(0, 1.5, rows)
    truth = (RNG.random(rows) < expit(truth_logit)).astype(float)
    return truth, expit(factor * truth_logit).astype(np.float32)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found(factor: float) -> None:
    assert temperature(*overconfident(40_000, factor)) == pytest.approx(factor, rel=0.05)


def test_the_temperature_of_many_classes_is_the_best_of_a_fine_grid() -> None:
    logits = RNG.normal(0, 1, (5000, 4))
    truth = np.array([RNG.choice(4, p=row) for row in softmax(logits, 1)], float)
    probabilities = softmax(2.5 * logits, 1)
    grid = np.linspace(0.5, 5, 2000)

    def loss(t: float) -> float:
        scaled = log_softmax(np.log(probabilities) / t, axis=1)
        return -scaled[np.arange(5000), truth.astype(int)].mean()

    best = grid[np.argmin([loss(t) for t in grid])]
    assert temperature(truth, probabilities) == pytest.approx(best, abs=0.005)
    assert best == pytest.approx(2.5, rel=0.1)


@pytest.mark.parametrize("kind", ["temperature", "isotonic"])
def test_calibration_lowers_the_error_on_rows_that_it_was_not_fitted_on(kind: Calibration) -> None:
    truth, found = overconfident(20_000, 3.0)
    served, card = calibrated(Given(), kind, truth, found)
    assert card["ece_after"] < 0.3 * card["ece_before"]
    assert card["rows"] == {"fitted": 10_000, "measured": 10_000}
    after = served(torch.from_numpy(found)[:, None], torch.zeros(20_000, 0)).numpy()
    assert roc_auc_score(truth, after) == pytest.approx(
        roc_auc_score(truth, found), abs=1e-6 if kind == "temperature" else 2e-3
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(2**-10, 1 - 2**-10, width=32), min_size=3, max_size=60),
    st.integers(0, 10_000),
)
def test_the_isotonic_map_is_that_of_scikit_learn_everywhere(found: list[float], seed: int) -> None:
    generator = np.random.default_rng(seed)
    truth, probabilities = (generator.random(len(found)) < found).astype(float), np.array(found)
    if len(np.unique(probabilities)) < 2:
        return
    theirs = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(probabilities, truth)
    asked = np.concatenate([probabilities, np.linspace(0, 1, 101)]).astype(np.float32)
    ours = isotonic(truth, probabilities)(torch.from_numpy(asked)).numpy()
    steep = np.abs(np.diff(theirs.y_thresholds_) / np.diff(theirs.X_thresholds_)).max(initial=0)
    assert np.abs(ours - theirs.predict(asked)).max() <= 1e-5 + 2e-7 * steep


def test_certain_predictions_stay_finite_and_in_order() -> None:
    edges = torch.tensor([0.0, 1e-12, 0.3, 0.5, 1.0])
    after = Temperature(2.0)(edges)
    assert (after.diff() >= 0).all()
    assert 0 < after[0] < after[2] < after[3] == 0.5 < after[4] < 1
    assert logit(after[2].item()) == pytest.approx(logit(0.3) / 2, abs=1e-5)


def test_one_class_calibrates_nothing_and_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"earlier 5 validation rows .*validation_days, or set"):
        calibrated(Given(), "temperature", [0.0] * 5 + [1.0] * 5, [0.3] * 10)


def trained(folder: Path, kind: Calibration) -> Fitted:
    return fit(
        TRAIN.head(600),
        VALIDATION,
        trainer=TABULAR,
        label="late",
        task="binary",
        numeric=NUMERIC,
        categorical=CATEGORICAL,
        hyperparameters={"epochs": 8, "patience": 8, "batch_size": 64, "learning_rate": 0.01},
        seed=7,
        folder=folder,
        calibration=kind,
    )


@pytest.mark.parametrize("kind", ["temperature", "isotonic"])
def test_a_calibrated_model_is_served_as_one_graph_with_its_weights(
    kind: Calibration, tmp_path: Path
) -> None:
    plain, fitted = trained(tmp_path / "plain", "none"), trained(tmp_path / "work", kind)
    artefact = write_artefact(tmp_path / "artefact", fitted, {})
    served = Predictor.load(artefact).predict(input_columns(HOLDOUT, fitted.preprocessing))
    rows = tensors(HOLDOUT, fitted.preprocessing, "late", "binary")
    before = predict(plain.module, rows, 512).numpy()
    # A steep part of the isotonic map widens what rounding makes of its input.
    tolerance = 1e-5 if kind == "temperature" else 1e-3
    assert np.abs(predict(fitted.served, rows, 512).numpy() - served).max() < tolerance
    assert np.abs(before - served).max() > 1e-3
    assert fitted.calibration["kind"] == kind
    assert fitted.validation == plain.validation
