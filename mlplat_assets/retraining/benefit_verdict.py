"""Whether a fresh model would do better than the one that serves, with its interval. Pure."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from mlplat_assets.statistics.intervals import Interval

Verdict = Literal["WOULD_HELP", "WOULD_NOT_HELP", "INCONCLUSIVE"]


@dataclass(frozen=True, kw_only=True)
class Benefit:
    """What a cheap retraining says of a dear one.

    Attributes:
        verdict: INCONCLUSIVE holds nothing back.
        told: In a sentence, with the numbers.
        gain: Metric of the fresh baseline minus the champion's, plus what the baseline lacks
            against a model such as the champion, so that positive is better; None where nothing
            could be compared.
        rows: How many labelled rows were compared.
    """

    verdict: Verdict
    told: str
    gain: Interval | None = None
    rows: int = 0

    def json(self) -> dict[str, Any]:
        """As evidence records it."""
        return asdict(self)


def unknown(why: str, rows: int = 0) -> Benefit:
    """Nothing can be said, and why."""
    return Benefit(verdict="INCONCLUSIVE", told=why, rows=rows)


def benefit_of(metric: str, gain: Interval, rows: int, over: str) -> Benefit:
    """The verdict on an interval of the gain, positive being better.

    Args:
        metric: Its name.
        gain: With its 95% interval.
        rows: How many labelled rows were compared.
        over: Which days, in words.
    """
    numbers = f"{metric} {gain.estimate:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
    fresh = f"a baseline trained afresh gains {numbers} over the champion on {over}, {rows:,} rows"
    if gain.low > 0:
        return Benefit(verdict="WOULD_HELP", told=fresh, gain=gain, rows=rows)
    if gain.high < 0:
        told = f"retraining would not help: {fresh}"
        return Benefit(verdict="WOULD_NOT_HELP", told=told, gain=gain, rows=rows)
    return Benefit(verdict="INCONCLUSIVE", told=fresh, gain=gain, rows=rows)
