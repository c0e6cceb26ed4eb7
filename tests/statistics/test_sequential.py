"""Confidence sequences: against the published formula, and simulated false alarms."""

import math

import numpy as np
import pytest

from mlplat_assets.statistics.moments import Moments
from mlplat_assets.statistics.sequential import (
    ConfidenceSequence,
    difference_sequence,
    one_sided_sequence,
)

LOOKS, PER_LOOK = 50, 200


def arms(difference: float = 0.0, n: int = 400, seed: int = 5) -> tuple[Moments, Moments]:
    noise = np.random.default_rng(seed)
    return Moments.of(noise.normal(0, 1, n)), Moments.of(noise.normal(difference, 2, n))


def first_exclusions(rate_a: float, rate_b: float, experiments: int, seed: int) -> list[int]:
    """At which look, from 1, each experiment first excludes no difference; 0 if at none."""
    drawn = np.random.default_rng(seed)
    shape = (experiments, LOOKS)
    hits_a = drawn.binomial(PER_LOOK, rate_a, shape).cumsum(axis=1)
    hits_b = drawn.binomial(PER_LOOK, rate_b, shape).cumsum(axis=1)
    return [first_exclusion(a, b) for a, b in zip(hits_a, hits_b, strict=True)]


def first_exclusion(hits_a: np.ndarray, hits_b: np.ndarray) -> int:
    for look, (a, b) in enumerate(zip(hits_a, hits_b, strict=True), start=1):
        n = look * PER_LOOK
        found = difference_sequence(Moments.of_hits(a, n), Moments.of_hits(b, n), alpha=0.05)
        if found.excludes(0):
            return look
    return 0


def test_the_half_width_is_that_of_equation_9() -> None:
    """As GrowthBook writes it: s2 = n se^2, rho by N* = 5000, n of both arms."""
    values = np.random.default_rng(6).normal(0, 1, 400)
    a, b = Moments.of(values), Moments.of(values + 0.3)
    n, alpha = a.n + b.n, 0.05
    s2 = n * (a.variance / a.n + b.variance / b.n)
    rho = math.sqrt((-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / 5000)
    inside = 2 * (n * rho**2 + 1) * math.log(math.sqrt(n * rho**2 + 1) / alpha) / (n * rho) ** 2
    half = math.sqrt(s2) * math.sqrt(inside)
    found = difference_sequence(a, b, alpha=alpha)
    assert found.high - found.estimate == pytest.approx(half)
    assert found.estimate - found.low == pytest.approx(half)


@pytest.mark.parametrize("difference", [0.0, 0.2, 0.35, 0.5, -0.4])
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_the_p_value_is_below_alpha_where_no_difference_is_excluded(
    difference: float, alpha: float
) -> None:
    found = difference_sequence(*arms(difference), alpha=alpha)
    assert (found.p_value < alpha) == found.excludes(0)
    one = one_sided_sequence(*arms(difference), alpha=alpha)
    assert (one.p_value < alpha) == (one.low > 0)


def test_swapped_arms_tell_the_opposite() -> None:
    a, b = arms(0.4)
    found, swapped = difference_sequence(a, b, alpha=0.05), difference_sequence(b, a, alpha=0.05)
    assert (swapped.low, swapped.high) == pytest.approx((-found.high, -found.low))
    assert swapped.p_value == pytest.approx(found.p_value)


def test_a_sequence_is_in_the_units_of_the_metric() -> None:
    values = [np.random.default_rng(seed).normal(size=300) for seed in (1, 2)]
    one = difference_sequence(*map(Moments.of, values), alpha=0.05)
    scaled = difference_sequence(*(Moments.of(7 + 60 * v) for v in values), alpha=0.05)
    assert (scaled.low, scaled.high) == pytest.approx((60 * one.low, 60 * one.high))
    assert scaled.p_value == pytest.approx(one.p_value)


def test_unequal_arms_know_as_much_as_equal_ones_of_the_same_error() -> None:
    """60 and 20 units tell as much as 30 and 30, not as 40 and 40."""

    def errors_wide(n: int, m: int) -> float:
        a, b = Moments(n=n, squares=float(n - 1)), Moments(n=m, squares=float(m - 1))
        return difference_sequence(a, b, alpha=0.05).high / math.sqrt(1 / n + 1 / m)

    assert errors_wide(60, 20) == pytest.approx(errors_wide(30, 30))
    assert errors_wide(60, 20) > 1.05 * errors_wide(40, 40)


def test_it_is_wider_than_an_interval_of_one_look_and_one_end_is_narrower() -> None:
    a, b = arms(n=2500)
    both, one = difference_sequence(a, b, alpha=0.05), one_sided_sequence(a, b, alpha=0.05)
    single = 1.96 * math.sqrt(a.variance / a.n + b.variance / b.n)
    assert single < one.high - one.estimate < both.high - both.estimate < 2 * single


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Moments(), Moments()),
        (Moments.of([1.0]), Moments.of([2.0, 3.0])),
        (Moments.of_hits(0, 500), Moments.of_hits(0, 500)),
    ],
    ids=["no unit", "one unit", "no error in either"],
)
def test_without_an_estimate_of_the_spread_nothing_is_known(a: Moments, b: Moments) -> None:
    for found in (difference_sequence(a, b, alpha=0.05), one_sided_sequence(a, b, alpha=0.05)):
        assert (found.low, found.high, found.p_value) == (-math.inf, math.inf, 1.0)
        assert not found.excludes(0)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, math.nan])
def test_an_alpha_that_is_no_probability_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        difference_sequence(*arms(), alpha=alpha)


def test_hits_beyond_the_units_are_refused() -> None:
    with pytest.raises(ValueError, match="3 of 2 units"):
        Moments.of_hits(3, 2)


def test_hits_are_ones_among_zeros() -> None:
    found, each = Moments.of_hits(3, 10), Moments.of([1] * 3 + [0] * 7)
    assert (found.n, found.mean, found.squares) == pytest.approx((each.n, each.mean, each.squares))


@pytest.mark.parametrize("rate", [0.005, 0.02, 0.2])
def test_50_looks_at_equal_arms_are_false_at_most_5_times_in_100(rate: float) -> None:
    """Looking 50 times at an interval of one look is false 32.5 times in 100."""
    stopped = first_exclusions(rate, rate, experiments=1000, seed=11)
    assert np.mean([look > 0 for look in stopped]) <= 0.05


@pytest.mark.parametrize(("rate", "canary"), [(0.02, 20), (0.002, 20), (0.02, 100)])
def test_a_small_canary_without_an_error_yet_is_no_better(rate: float, canary: int) -> None:
    """Of 2,000 units a look, 1% and 5%: with the canary's own spread 46, 82 and 13% are false."""
    drawn = np.random.default_rng(14)
    sizes = np.array([2000 - canary, canary])
    false = 0
    for _ in range(300):
        hits = drawn.binomial(sizes[:, None], rate, (2, LOOKS)).cumsum(axis=1)
        false += any(
            difference_sequence(
                *(
                    Moments.of_hits(hit, size * (look + 1))
                    for hit, size in zip(hits[:, look], sizes, strict=True)
                ),
                alpha=0.05,
            ).excludes(0)
            for look in range(LOOKS)
        )
    assert false / 300 <= 0.05


def test_doubled_errors_are_found_within_1600_units_an_arm() -> None:
    """2% against 4%: power at least 0.99 over 50 looks at 200 units an arm each."""
    stopped = first_exclusions(0.02, 0.04, experiments=1000, seed=12)
    assert np.mean([look > 0 for look in stopped]) >= 0.99
    assert np.median([look * PER_LOOK for look in stopped if look]) <= 1600


def test_one_end_is_false_at_most_as_often_as_it_says() -> None:
    drawn = np.random.default_rng(13)
    false = 0
    for _ in range(1000):
        hits = drawn.binomial(PER_LOOK, 0.03, (2, LOOKS)).cumsum(axis=1)
        false += any(
            worse(hits[0, look], hits[1, look], (look + 1) * PER_LOOK).low > 0
            for look in range(LOOKS)
        )
    assert false / 1000 <= 0.05


def worse(hits_a: int, hits_b: int, n: int) -> ConfidenceSequence:
    return one_sided_sequence(Moments.of_hits(hits_a, n), Moments.of_hits(hits_b, n), alpha=0.05)
