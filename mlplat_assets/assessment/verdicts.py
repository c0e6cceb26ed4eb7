"""PASS, FAIL or INCONCLUSIVE of a difference against a margin, in sentences."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from mlplat_assets.statistics.intervals import Interval

# A candidate level with a bound up to float rounding is level.
_ROUNDING = 1e-12


class Verdict(StrEnum):
    """What a bound says; only PASS is a pass."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


class Judgement(NamedTuple):
    """A verdict and the sentence that says why."""

    verdict: Verdict
    reason: str


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """FAIL where one fails, else INCONCLUSIVE where one cannot tell, else PASS."""
    found = set(verdicts)
    return next((v for v in (Verdict.FAIL, Verdict.INCONCLUSIVE) if v in found), Verdict.PASS)


def against_champion(
    metric: str,
    difference: Interval,
    margin: float,
    *,
    higher_is_better: bool,
    primary: bool = False,
) -> Judgement:
    """Whether a candidate is no worse than the champion by more than a margin.

    `difference` is candidate minus champion. Non-inferior where the worse end of the interval is
    within the margin: one test at 2.5%. On the primary metric a candidate whose better end is
    below the champion is worse for sure, and fails: a margin is for what chance may hide, not an
    allowance to lose a little at each retraining.
    """
    sign = 1 if higher_is_better else -1
    worse, better = sorted((sign * difference.low, sign * difference.high))
    told = f"{metric} differs from champion's by {signed(difference)}"
    if better < -margin - _ROUNDING:
        return Judgement(Verdict.FAIL, f"{told}: worse by more than the margin {margin:.4g}")
    if primary and better < -_ROUNDING:
        return Judgement(
            Verdict.FAIL,
            f"{told}: surely worse, and the primary metric must be level or better",
        )
    if worse >= -margin - _ROUNDING:
        return Judgement(Verdict.PASS, f"{told}: within the margin {margin:.4g}")
    return Judgement(
        Verdict.INCONCLUSIVE,
        f"{told}: too few days or rows to tell whether it is within the margin {margin:.4g}; "
        "lengthen the holdout, or allow for what chance does",
    )


def below_limit(what: str, value: Interval, limit: float) -> Judgement:
    """Whether the whole interval of a value lies below a limit, or the whole of it above."""
    if value.high < limit:
        return Judgement(Verdict.PASS, f"{what} is {value}, below the limit {limit:.4g}")
    if value.low >= limit:
        return Judgement(Verdict.FAIL, f"{what} is {value}, not below the limit {limit:.4g}")
    return Judgement(
        Verdict.INCONCLUSIVE,
        f"{what} is {value}: too few days or rows to tell whether it is below {limit:.4g}",
    )


def signed(difference: Interval) -> str:
    """`-0.003 [-0.023, +0.016]`."""
    ends = (difference.estimate, difference.low, difference.high)
    estimate, low, high = (f"{end:+.4g}" for end in ends)
    return f"{estimate} [{low}, {high}]"
