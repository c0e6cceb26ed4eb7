"""Tests of two means for one look, at a number of units that was fixed before."""

import math
from dataclasses import dataclass

from mlplat_assets.statistics.moments import Moments


@dataclass(frozen=True, kw_only=True)
class WelchTest:
    """Of mean(b) - mean(a), arms of unequal spread.

    Attributes:
        p_value: Two-sided, of "there is no difference".
        low: The lower end of the interval at 1 - alpha.
        high: The upper end.
        freedom: Satterthwaite's degrees of freedom.
    """

    estimate: float
    low: float
    high: float
    p_value: float
    freedom: float


def welch(a: Moments, b: Moments, *, alpha: float) -> WelchTest | None:
    """Welch's t test with Satterthwaite's degrees of freedom, for one look only.

    None where an arm has fewer than two units or nothing varies in either.
    """
    from scipy.special import stdtr, stdtrit

    if a.n < 2 or b.n < 2 or not a.squares + b.squares:
        return None
    parts = a.variance / a.n, b.variance / b.n
    squared = sum(parts)
    freedom = squared**2 / (parts[0] ** 2 / (a.n - 1) + parts[1] ** 2 / (b.n - 1))
    estimate, error = b.mean - a.mean, math.sqrt(squared)
    half = error * float(stdtrit(freedom, 1 - alpha / 2))
    return WelchTest(
        estimate=estimate,
        low=estimate - half,
        high=estimate + half,
        p_value=2 * float(stdtr(freedom, -abs(estimate) / error)),
        freedom=freedom,
    )
