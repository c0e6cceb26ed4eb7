"""Arms whose shares changed on the way are compared stretch by stretch."""

import numpy as np
import pytest

from mlplat_assets.statistics.moments import Moments
from mlplat_assets.statistics.sequential import one_sided_sequence
from mlplat_assets.statistics.strata import standardised


def test_one_stratum_of_equal_arms_is_as_it_was() -> None:
    a, b = Moments.of_hits(20, 1000), Moments.of_hits(40, 1000)
    for before, after in zip((a, b), standardised([(a, b)]), strict=True):
        assert (after.n, after.mean) == (before.n, pytest.approx(before.mean))
        assert after.variance == pytest.approx(before.variance)


def test_a_night_of_few_and_a_day_of_many_are_not_mixed() -> None:
    """Nights fail at 10%, days at 1%, both arms alike; the second arm came by day."""
    night = Moments.of_hits(990, 9900), Moments.of_hits(10, 100)
    day = Moments.of_hits(50, 5000), Moments.of_hits(50, 5000)
    pooled = night[0] + day[0], night[1] + day[1]
    assert pooled[1].mean - pooled[0].mean < -0.05
    a, b = standardised([night, day])
    assert b.mean - a.mean == pytest.approx(0, abs=1e-12)


def test_strata_in_which_an_arm_is_empty_say_nothing() -> None:
    full = Moments.of_hits(2, 100), Moments.of_hits(3, 100)
    assert standardised([full, (Moments.of_hits(9, 100), Moments())]) == standardised([full])
    assert standardised([]) == (Moments(), Moments())


def test_rising_shares_are_false_as_rarely_as_promised() -> None:
    """200 rollouts of equal versions, five shares, ten looks each, and a base rate that moves."""
    random = np.random.default_rng(5)
    false = 0
    for _ in range(200):
        strata: list[tuple[Moments, Moments]] = []
        found = False
        for share, base in zip((0.01, 0.05, 0.25, 0.5), (0.02, 0.1, 0.01, 0.05), strict=True):
            a = b = Moments()
            for _ in range(10):
                n = 40
                m = round(n * (1 - share) / share)
                b += Moments.of_hits(int(random.binomial(n, base)), n)
                a += Moments.of_hits(int(random.binomial(m, base)), m)
                look = standardised([*strata, (a, b)])
                found |= one_sided_sequence(*look, alpha=0.05, tuned_at=2000).low > 0
            strata.append((a, b))
        false += found
    assert false <= 10
