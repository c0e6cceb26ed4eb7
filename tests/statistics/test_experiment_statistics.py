"""CUPED, Welch, sample sizes and Thompson sampling, against SciPy and simulations."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mlplat_assets.statistics.covariates import PairedMoments, adjusted
from mlplat_assets.statistics.fixed_horizon import welch
from mlplat_assets.statistics.moments import Moments
from mlplat_assets.statistics.sample_size import (
    Design,
    proportions,
    units_at_any_look,
    units_at_one_look,
)
from mlplat_assets.statistics.sequential import difference_sequence
from mlplat_assets.statistics.thompson import top_two_shares

DRAWN = np.random.default_rng(31)


@pytest.mark.parametrize(("n", "m", "apart"), [(12, 30, 0.0), (200, 50, 0.6), (5, 4, 2.0)])
def test_welch_is_that_of_scipy(n: int, m: int, apart: float) -> None:
    a, b = DRAWN.normal(0, 1, n), DRAWN.normal(apart, 3, m)
    found = welch(Moments.of(a), Moments.of(b), alpha=0.1)
    theirs: Any = stats.ttest_ind(b, a, equal_var=False)
    interval = theirs.confidence_interval(0.9)
    assert found is not None
    assert (found.p_value, found.freedom) == pytest.approx((theirs.pvalue, theirs.df))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_welch_knows_nothing_of_units_that_do_not_vary() -> None:
    assert welch(Moments.of([1.0, 1.0]), Moments.of([2.0, 2.0]), alpha=0.05) is None
    assert welch(Moments.of([1.0]), Moments.of([2.0, 3.0]), alpha=0.05) is None


def test_paired_moments_add_up_and_tell_the_correlation() -> None:
    x = DRAWN.normal(3, 2, 500)
    y = 2 * x + DRAWN.normal(0, 4, 500)
    added = PairedMoments.of(y[:1], x[:1]) + PairedMoments.of(y[1:], x[1:]) + PairedMoments()
    assert added.products == pytest.approx(PairedMoments.of(y, x).products)
    assert added.correlation == pytest.approx(np.corrcoef(x, y)[0, 1])


def test_cuped_is_the_regression_on_the_covariate_and_leaves_the_effect() -> None:
    """Variance falls to 1 - rho^2 of before; the effect is found through a tenth of the noise."""
    x = DRAWN.normal(100, 10, (2, 4000))
    y = x + DRAWN.normal(0, 3, (2, 4000)) + np.array([[0.0], [0.5]])
    arms = [PairedMoments.of(y[arm], x[arm]) for arm in range(2)]
    control, treated = adjusted(arms)
    theta = sum(arm.products for arm in arms) / sum(arm.x.squares for arm in arms)
    by_hand = y[1] - theta * (x[1] - x.mean())
    assert treated.mean == pytest.approx(by_hand.mean())
    assert treated.variance == pytest.approx(by_hand.var(ddof=1))
    assert treated.variance / arms[1].y.variance == pytest.approx(9 / 109, rel=0.1)
    assert difference_sequence(control, treated, alpha=0.05).low > 0
    assert difference_sequence(arms[0].y, arms[1].y, alpha=0.05).low < 0


def test_a_covariate_that_does_not_vary_changes_nothing() -> None:
    arms = [PairedMoments.of(DRAWN.normal(size=50), np.zeros(50)) for _ in range(2)]
    assert adjusted(arms) == [arm.y for arm in arms]
    assert adjusted([PairedMoments(), PairedMoments()]) == [Moments(), Moments()]


def test_the_sample_size_of_shares_is_the_textbooks() -> None:
    """Fleiss, Levin and Paik, without continuity: 10% against 15% at 80%: 683 each."""
    assert units_at_one_look(proportions(0.10, 0.15)) == (683, 683)


def test_a_test_of_that_size_finds_the_effect_as_often_as_asked() -> None:
    design = Design(variance_a=4.0, variance_b=9.0, effect=0.5, power=0.9, ratio=0.5)
    control, arm = units_at_one_look(design)
    assert arm == math.ceil(control / 2)
    a = DRAWN.normal(0, 2, (2000, control))
    b = DRAWN.normal(0.5, 3, (2000, arm))
    tests: Any = stats.ttest_ind(a, b, axis=1, equal_var=False)
    assert (tests.pvalue < 0.05).mean() == pytest.approx(0.9, abs=0.02)


def test_a_sequence_needs_more_at_its_last_look_and_less_with_a_covariate() -> None:
    design = proportions(0.02, 0.04, power=0.9)
    one, any_look = units_at_one_look(design)[0], units_at_any_look(design)[0]
    assert one < any_look < 3 * one
    halved = units_at_one_look(design.explained(math.sqrt(0.5)))[0]
    assert halved == pytest.approx(one / 2, abs=1)


def test_a_sequence_of_that_size_finds_the_effect_as_often_as_asked() -> None:
    n, _ = units_at_any_look(proportions(0.02, 0.04, power=0.9))
    hits = DRAWN.binomial(n, [[0.02], [0.04]], (2, 1000))
    found = [
        difference_sequence(Moments.of_hits(a, n), Moments.of_hits(b, n), alpha=0.05).low > 0
        for a, b in hits.T
    ]
    assert np.mean(found) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize(
    "changes", [{"effect": 0.0}, {"variance_a": -1.0}, {"alpha": 1.0}, {"power": 0.4}]
)
def test_a_design_that_nothing_can_meet_is_refused(changes: dict[str, float]) -> None:
    terms = {"variance_a": 1.0, "variance_b": 1.0, "effect": 0.1} | changes
    with pytest.raises(ValueError, match=next(iter(changes))):
        units_at_one_look(Design(**terms))


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.1), (0.2, 0.2), (0.5, 1.0)])
def test_shares_that_do_not_differ_or_do_not_vary_are_refused(before: float, after: float) -> None:
    with pytest.raises(ValueError, match="shares"):
        proportions(before, after)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_best_arm_gets_most_in_both_directions(count: int) -> None:
    """Two arms, and the end that is better turned round: where others' index slips."""
    rates = np.linspace(0.2, 0.3, count) if count > 2 else np.array([0.2, 0.22])
    arms = [Moments.of_hits(round(1000 * rate), 1000) for rate in rates]
    up = top_two_shares(arms, better="higher")
    down = top_two_shares(arms, better="lower")
    assert np.argmax(up) == count - 1 and np.argmax(down) == 0
    assert sum(up) == pytest.approx(1) and sum(down) == pytest.approx(1)
    assert down == pytest.approx(up[::-1], abs=0.05)
    assert min(up) >= 0.01


def test_little_known_arms_share_alike() -> None:
    arms = [Moments.of_hits(50, 99), Moments.of_hits(10, 1000)]
    assert top_two_shares(arms, better="higher") == [0.5, 0.5]


def test_floors_that_take_everything_are_refused() -> None:
    with pytest.raises(ValueError, match="floor"):
        top_two_shares([Moments()] * 2, better="higher", floor=0.5)
