"""Probabilities say beforehand how good predictions will be, until what inputs mean changes."""

import numpy as np
import pytest

from mlplat_assets.assessment.estimation import ESTIMATED, estimate, gap
from mlplat_assets.metrics import score
from mlplat_assets.statistics.intervals import Units, rows


def drawn(generator: np.random.Generator, size: int, shift: float = 0.0) -> np.ndarray:
    """Probabilities of rows whose log odds are shifted and spread wider with the shift."""
    return 1 / (1 + np.exp(-generator.normal(shift, 1 + shift, size)))


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.0])
def test_estimates_meet_what_labels_say_when_only_the_inputs_shift(shift: float) -> None:
    generator = np.random.default_rng(6)
    probability = drawn(generator, 40_000, shift)
    truth = (generator.random(40_000) < probability).astype(float)
    realised = score("binary", truth, probability)
    for name, found in estimate("binary", probability).items():
        assert found.value == pytest.approx(realised[name], abs=0.01)


def test_labels_land_within_the_interval_as_often_as_it_says() -> None:
    generator = np.random.default_rng(7)
    inside = {name: 0 for name in ESTIMATED["binary"]}
    probability = drawn(generator, 400)
    found = estimate("binary", probability)
    for _ in range(600):
        truth = (generator.random(400) < probability).astype(float)
        realised = score("binary", truth, probability, list(found))
        for name, each in found.items():
            interval = each.interval()
            inside[name] += interval.low <= realised[name] <= interval.high
    shares = {name: count / 600 for name, count in inside.items()}
    assert all(0.92 <= share <= 0.975 for share in shares.values()), shares


def test_the_area_is_that_of_all_labellings_weighted_by_their_chance() -> None:
    probability = np.array([0.2, 0.5, 0.5, 0.8])
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    chance = [probability[i] * (1 - probability[j]) for i, j in pairs]
    order = [np.heaviside(probability[i] - probability[j], 0.5) for i, j in pairs]
    expected = np.dot(chance, order) / np.sum(chance)
    assert estimate("binary", probability)["auc"].value == pytest.approx(expected)


def test_the_area_moves_with_each_label_by_its_derivative() -> None:
    """Of the expected pairs, in the probabilities that a label replaces; scores stay."""
    scores = np.array([0.2, 0.5, 0.5, 0.8])
    order = np.heaviside(scores[:, None] - scores, 0.5) * (1 - np.eye(4))

    def area(chance: np.ndarray) -> float:
        pairs = np.outer(chance, 1 - chance) * (1 - np.eye(4))
        return float((pairs * order).sum() / pairs.sum())

    steps = 1e-6 * np.eye(4)
    slopes = [(area(scores + step) - area(scores - step)) / 2e-6 for step in steps]
    moves = estimate("binary", scores)["auc"].moves
    assert (moves[:, 1] - moves[:, 0]).tolist() == pytest.approx(slopes, abs=1e-6)


def test_sure_rows_of_one_class_have_an_accuracy_and_no_area() -> None:
    found = estimate("binary", np.ones(5))
    assert "auc" not in found
    assert found["accuracy"].value == 1.0 and found["accuracy"].error() == 0.0


def test_classes_have_an_accuracy_and_a_loss_as_expected() -> None:
    generator = np.random.default_rng(8)
    probability = generator.dirichlet([0.6, 0.9, 1.2], 20_000)
    truth = (generator.random((20_000, 1)) > probability.cumsum(axis=1)).sum(axis=1)
    realised = score("multiclass", truth, probability, ESTIMATED["multiclass"])
    for name, found in estimate("multiclass", probability).items():
        assert found.value == pytest.approx(realised[name], abs=0.01)
        difference = gap(realised[name], found, truth, rows(20_000))
        assert difference.low < 0 < difference.high
        assert difference.estimate == pytest.approx(found.surprise(truth).sum())


def test_a_regression_has_no_estimate() -> None:
    assert estimate("regression", np.array([3.0, -400.0])) == {}


@pytest.mark.parametrize("given", [[], [0.5, 1.2], [0.5, float("nan")], [[0.5, 0.2]]])
def test_what_is_no_probability_is_refused_by_count(given: list) -> None:
    with pytest.raises(ValueError, match=r"of \d predictions are no probabilities"):
        estimate("binary", np.array(given))


def test_the_gap_of_metrics_adds_up_from_the_surprises_of_rows() -> None:
    generator = np.random.default_rng(9)
    probability = drawn(generator, 20_000)
    truth = (generator.random(20_000) < probability).astype(float)
    realised = score("binary", truth, probability)
    for name, found in estimate("binary", probability).items():
        surprise = found.surprise(truth).sum()
        assert surprise == pytest.approx(realised[name] - found.value, abs=1e-4), name


def test_days_that_are_wrong_together_widen_the_gap_and_excuse_it() -> None:
    """A level that moves by day is no concept drift: rows alone would call it one."""
    generator = np.random.default_rng(10)
    false = {"row": 0, "day": 0}
    for _ in range(200):
        odds = generator.normal(size=7 * 200)
        day = np.repeat(np.arange(7), 200)
        moved = odds + generator.normal(0, 0.7, 7)[day]
        # Probabilities that are calibrated over days, which no model can tell beforehand.
        probability = 1 / (1 + np.exp(-odds / np.sqrt(1 + 0.346 * 0.49)))
        truth = (generator.random(1400) < 1 / (1 + np.exp(-moved))).astype(float)
        found = estimate("binary", probability)["brier"]
        realised = score("binary", truth, probability, ["brier"])["brier"]
        by_day = Units(codes=day, count=7, kind="day")
        for kind, units in (("row", rows(1400)), ("day", by_day)):
            difference = gap(realised, found, truth, units)
            false[kind] += not difference.low <= 0 <= difference.high
    assert false["day"] <= 0.08 * 200 < false["row"], false
