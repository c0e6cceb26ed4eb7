"""Differences of two means that may be looked at after every unit: confidence sequences.

A confidence interval of 95% is right 95 times in 100 if it is looked at once. Of 50 looks, one or
more excludes a true difference of 0 in 32.5% of simulated experiments. A confidence sequence is
right at all looks at once, whenever one stops and for whatever reason.

Asymptotic sequences of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit
theory and asymptotic confidence sequences", arXiv 2103.06476: equation 9, and the one-sided form of
appendix B. The variance is estimated, so the guarantee is of the limit; what holds of 2% and 4%
errors at 200 units is simulated in the tests.
"""

import math
from dataclasses import dataclass

from mlplat_assets.statistics.moments import Moments


@dataclass(frozen=True, kw_only=True)
class ConfidenceSequence:
    """What is known of the difference of two means, mean(b) - mean(a), at one look.

    Attributes:
        estimate: The difference; NaN while an arm has no unit.
        low: The end below; -inf while there is no estimate of the spread.
        high: The end above; inf likewise.
        p_value: Always valid, of "there is no difference": the least of all looks so far may be
            compared with alpha.
    """

    estimate: float
    low: float
    high: float
    p_value: float

    def excludes(self, difference: float) -> bool:
        """Whether that difference lies outside."""
        return not self.low <= difference <= self.high


def difference_sequence(
    a: Moments, b: Moments, *, alpha: float, tuned_at: int = 5000
) -> ConfidenceSequence:
    """Of mean(b) - mean(a): at all looks together, false with probability `alpha` at most.

    Args:
        a: The units of the control, in the metric's units.
        b: Those of the arm.
        alpha: How often a true difference may be excluded at any look, above 0 and below 1.
        tuned_at: Of how many units, of two equal arms together, the sequence is narrowest.

    Raises:
        ValueError: `alpha` or `tuned_at` is out of range.
    """
    reach = _reach(alpha, tuned_at)
    error = standard_error(a, b)
    if error is None:
        return _unknown(a, b)
    estimate, grown = b.mean - a.mean, _balanced(a.n, b.n) * reach**2 + 1
    half = error * math.sqrt(2 * grown / (grown - 1) * math.log(math.sqrt(grown) / alpha))
    p_value = min(1.0, math.sqrt(grown) * math.exp(-_weight(estimate, error, grown)))
    return ConfidenceSequence(
        estimate=estimate, low=estimate - half, high=estimate + half, p_value=p_value
    )


def one_sided_sequence(
    a: Moments, b: Moments, *, alpha: float, tuned_at: int = 5000
) -> ConfidenceSequence:
    """Of mean(b) - mean(a): each end alone is false at any look with probability `alpha` at most.

    For a question of one direction, which one end answers: "is b worse than a by more than a
    margin". The two ends together are false twice as often.

    Args and raises are those of `difference_sequence`, but that `alpha` is below a half. `p_value`
    is of "b is not above a".
    """
    reach = _reach(2 * alpha, tuned_at)
    error = standard_error(a, b)
    if error is None:
        return _unknown(a, b)
    estimate, grown = b.mean - a.mean, _balanced(a.n, b.n) * reach**2 + 1
    ratio = math.log1p(math.sqrt(grown) / (2 * alpha))
    half = error * math.sqrt(2 * grown / (grown - 1) * ratio)
    weight = _weight(estimate, error, grown) if estimate > 0 else 0.0
    p_value = min(1.0, math.sqrt(grown) / 2 * math.exp(-weight) / max(-math.expm1(-weight), 1e-300))
    return ConfidenceSequence(
        estimate=estimate, low=estimate - half, high=estimate + half, p_value=p_value
    )


def standard_error(a: Moments, b: Moments) -> float | None:
    """Of mean(b) - mean(a), each arm taken to vary at least as much as both together do.

    Without that floor a canary of 5% that has met no error yet seems to vary by nothing, and in
    13% of simulations (2% errors in both, 50 looks at 100 units) was "better" for it; with it
    0.2%. None where nothing can be estimated: an arm has fewer than two units, or nothing varies
    in either.
    """
    if a.n < 2 or b.n < 2:
        return None
    together = (a.squares + b.squares) / (a.n + b.n - 2)
    squared = max(a.variance, together) / a.n + max(b.variance, together) / b.n
    return math.sqrt(squared) if squared > 0 else None


def _reach(alpha: float, tuned_at: int) -> float:
    """The mixture's spread that makes the sequence narrowest at so many units."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha of both ends is {alpha:g}; set one above 0 and below 1")
    if tuned_at < 2:
        raise ValueError(f"tuned_at is {tuned_at}; set the units of both arms, at least 2")
    doubled = -2 * math.log(alpha)
    return math.sqrt((doubled + math.log(doubled + 1)) / tuned_at)


def _balanced(a: int, b: int) -> float:
    """Units, in two arms of equal size, that would tell as much; all of them if these are equal.

    The published n is a clock that runs with what is known of the difference. 20 units of a
    canary beside 1,980 of the champion tell as much as 40 in each, not as 1,000 in each.
    """
    return 4 / (1 / a + 1 / b)


def _weight(estimate: float, error: float, grown: float) -> float:
    return (estimate / error) ** 2 * (grown - 1) / (2 * grown)


def _unknown(a: Moments, b: Moments) -> ConfidenceSequence:
    estimate = b.mean - a.mean if a.n and b.n else math.nan
    return ConfidenceSequence(estimate=estimate, low=-math.inf, high=math.inf, p_value=1.0)
