"""The AUC's covariance is DeLong's, its intervals hold what they promise, and days are days."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlplat_assets.statistics.intervals import Units, rows
from mlplat_assets.statistics.ranking import auc_covariance, auc_intervals
from tests.statistics.simulated import two_predictors


def naive(truth: np.ndarray, predictions: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """DeLong 1988 by its definition: every pair of a positive and a negative compared."""
    high, low = np.flatnonzero(truth == 1), np.flatnonzero(truth == 0)
    above, below = [], []
    for predicted in predictions:
        order = predicted[high][:, None] - predicted[low][None, :]
        psi = (order > 0) + 0.5 * (order == 0)
        above.append(psi.mean(axis=1))
        below.append(psi.mean(axis=0))
    covariance = np.atleast_2d(np.cov(above)) / len(high) + np.atleast_2d(np.cov(below)) / len(low)
    return np.array([each.mean() for each in above]), covariance


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_areas_and_covariance_are_those_of_every_pair_compared(data: st.DataObject) -> None:
    size = data.draw(st.integers(4, 50))
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    truth = generator.integers(0, 2, size).astype(float)
    truth[:4] = [0, 0, 1, 1]
    levels = data.draw(st.integers(1, 60))
    predictions = [generator.integers(0, levels, size) / levels for _ in range(3)]
    areas, covariance, known = auc_covariance(truth, predictions, rows(size))
    expected, spread = naive(truth, predictions)
    np.testing.assert_allclose(areas, expected, atol=1e-12)
    np.testing.assert_allclose(covariance, spread, atol=1e-12)
    assert known == min(truth.sum(), (1 - truth).sum())


def test_the_interval_of_an_auc_holds_it_95_times_in_100() -> None:
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(600):
        found = two_predictors(generator, size=400)
        (interval, _), _ = auc_intervals(found.truth, [found.first, found.second], found.units)
        held += interval.low <= 0.75 <= interval.high
    # A binomial of 600 at 0.95 stays within 0.932 and 0.968 in 95 of 100 seeds.
    assert 0.93 <= held / 600 <= 0.97


def test_two_predictors_alike_are_told_apart_5_times_in_100() -> None:
    generator = np.random.default_rng(2)
    apart = 0
    for _ in range(600):
        found = two_predictors(generator, size=400)
        _, (gain,) = auc_intervals(found.truth, [found.first, found.second], found.units)
        apart += not gain.low <= 0 <= gain.high
    assert 0.03 <= apart / 600 <= 0.075


def test_where_days_move_together_only_days_give_an_honest_interval() -> None:
    generator = np.random.default_rng(3)
    missed = {"day": 0, "row": 0}
    # The first's level moves by day, so its AUC of a day is the same and that of all days is less;
    # what it is over endless days comes from one long draw.
    endless = two_predictors(generator, size=60_000, days=3000, by_day=0.7)
    (area, _), _ = auc_intervals(endless.truth, [endless.first, endless.second], endless.units)
    for _ in range(300):
        found = two_predictors(generator, size=1260, days=21, by_day=0.7)
        predictions = [found.first, found.second]
        for kind, units in (("day", found.units), ("row", rows(1260))):
            (interval, _), _ = auc_intervals(found.truth, predictions, units)
            missed[kind] += not interval.low <= area.estimate <= interval.high
    # 5 in 100 are promised; with 21 days the variance itself is known to a third only.
    assert missed["day"] / 300 <= 0.11
    assert missed["row"] / 300 >= 0.25


def test_days_of_one_row_each_give_delongs_own_interval() -> None:
    found = two_predictors(np.random.default_rng(4), size=200)
    days = Units(codes=np.arange(200), count=200, kind="day")
    predictions = [found.first, found.second]
    by_row = auc_covariance(found.truth, predictions, rows(200))
    by_day = auc_covariance(found.truth, predictions, days)
    np.testing.assert_allclose(by_row[1], by_day[1], rtol=1e-12)


def test_identical_predictions_differ_by_exactly_nothing() -> None:
    found = two_predictors(np.random.default_rng(5), size=300, days=7, by_day=1.0)
    _, (gain,) = auc_intervals(found.truth, [found.first, found.first.copy()], found.units)
    assert (gain.low, gain.estimate, gain.high) == (0, 0, 0)


def test_one_positive_tells_nothing_but_that_an_auc_is_between_0_and_1() -> None:
    truth, score = np.array([0, 0, 0, 1.0]), np.array([0.1, 0.2, 0.3, 0.25])
    (own, _), (gain,) = auc_intervals(truth, [score, score[::-1]], rows(4))
    assert (own.low, own.high, gain.low, gain.high) == (0, 1, -1, 1)
    assert own.estimate == pytest.approx(2 / 3)
