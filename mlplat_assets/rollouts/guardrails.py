"""What holds a version back: each a question to numbers that may be asked at any time. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mlplat_assets.rollout_spec import Guardrails
from mlplat_assets.statistics.intervals import Interval
from mlplat_assets.statistics.moments import Moments
from mlplat_assets.statistics.sequential import ConfidenceSequence, one_sided_sequence
from mlplat_assets.statistics.stability import Floats, stability
from mlplat_assets.statistics.strata import Arms, standardised

Verdict = Literal["OK", "VIOLATED", "INCONCLUSIVE"]

# Where the sequences are narrowest, in units of both arms: of 1,000, 2,000 and 5,000 it is the one
# that finds 4% errors against 2% soonest, at a median of 1,400 units per arm.
TUNED_AT = 2000
# Of measurements of any size, below which the limit theorem is not trusted.
FEWEST = 50


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One guardrail at one look.

    `low` and `high` bound the truth at all looks at once; both are None where nothing is known.
    `units` are the version's. `expected` is what its evaluation saw; the bound is beyond that, and
    beyond 0 where it is None.
    """

    name: str
    verdict: Verdict
    bound: float
    estimate: float | None
    low: float | None
    high: float | None
    units: int
    expected: Interval | None = None

    @property
    def told(self) -> str:
        """In words and numbers."""
        if self.estimate is None:
            return f"{self.name}: too few units to tell ({self.units:,})"
        ends = "" if self.low is None else f" [{self.low:.4g}, {self.high:.4g}]"
        beyond = "surely beyond" if self.verdict == "VIOLATED" else "not surely beyond"
        held = f"{beyond} {self.bound:.4g}"
        if self.expected is not None:
            held = f"expected {self.expected}, {held} from there"
        return f"{self.name}: {self.estimate:.4g}{ends}, {held} ({self.units:,} units)"


def rate(mean: float, n: int) -> Moments:
    """Of n units of which a share is 1: no spread of nought, however few, as one of each more."""
    smoothed = (mean * n + 1) / (n + 2)
    return Moments(n=n, mean=mean, squares=n * smoothed * (1 - smoothed))


def errors(legs: Sequence[Arms], limits: Guardrails, alpha: float) -> Finding:
    """Whether more requests fail than the champion's. Legs hold rates."""
    return _higher("errors", legs, limits.errors, alpha)


def latency(legs: Sequence[Arms], limits: Guardrails, alpha: float) -> Finding:
    """Whether more than one request in a hundred is slower than the champion's p99 times the ratio.

    Legs hold the rates of such requests, so that what makes both arms slow does not count.
    """
    return _higher(f"answers beyond {limits.latency:g} x p99", legs, 0.01, alpha)


def quality(
    legs: Sequence[Arms], limits: Guardrails, alpha: float, name: str = "quality"
) -> Finding:
    """Whether the loss on known labels is higher than the champion's by more than its share."""
    champion, _ = standardised(legs)
    bound = limits.quality * champion.mean
    return _enough(_higher(name, legs, bound, alpha), legs)


def shift(
    legs: Sequence[Arms],
    spread: float,
    limits: Guardrails,
    alpha: float,
    expected: Interval | None = None,
) -> Finding:
    """Whether predictions are higher or lower than expected by more than a share of the spread.

    A difference that is fixed before the first look only moves the ends that the sequence is held
    against, so what it says of all looks stands. That hours differ, and what chance left of the
    holdout, is on the version's side: an end must be beyond the interval's.

    Args:
        legs: Predictions, by unit.
        spread: Standard deviation of the champion's, in their unit as all else.
        limits: How much of the spread is allowed.
        alpha: Of both directions together.
        expected: Version less champion; None for 0.
    """
    champion, version = standardised(legs)
    found = one_sided_sequence(champion, version, alpha=alpha / 2, tuned_at=TUNED_AT)
    bound = limits.shift * spread
    low, high = (expected.low, expected.high) if expected else (0.0, 0.0)
    beyond = found.low > high + bound or found.high < low - bound
    # A champion that says the same to everybody has no spread to measure by.
    fewest = FEWEST if spread > 0 else math.inf
    finding = _finding("shift of predictions", found, bound, legs, beyond)
    return _enough(replace(finding, expected=expected), legs, fewest)


def distribution(
    reference: Floats,
    sample: Floats,
    limits: Guardrails,
    alpha: float,
    expected: Interval | None = None,
) -> Finding:
    """Whether predictions are spread otherwise than the champion's by more than was expected.

    The bound is above the upper end of the expected PSI's interval; None for 0.
    """
    allowed = limits.psi + (expected.high if expected else 0.0)
    found = stability(reference, sample, bound=allowed, alpha=alpha)
    known = not math.isnan(found.psi)
    verdict: Verdict = "VIOLATED" if found.is_beyond else "OK" if known else "INCONCLUSIVE"
    return Finding(
        name="PSI of predictions",
        verdict=verdict,
        bound=limits.psi,
        estimate=found.psi if known else None,
        low=None,
        high=None,
        units=found.units,
        expected=expected,
    )


def _higher(name: str, legs: Sequence[Arms], bound: float, alpha: float) -> Finding:
    champion, version = standardised(legs)
    found = one_sided_sequence(champion, version, alpha=alpha, tuned_at=TUNED_AT)
    return _finding(name, found, bound, legs, found.low > bound)


def _finding(
    name: str, found: ConfidenceSequence, bound: float, legs: Sequence[Arms], beyond: bool
) -> Finding:
    known = math.isfinite(found.low)
    verdict: Verdict = "VIOLATED" if beyond else "OK" if known else "INCONCLUSIVE"
    return Finding(
        name=name,
        verdict=verdict,
        bound=bound,
        estimate=found.estimate if known else None,
        low=found.low if known else None,
        high=found.high if known else None,
        units=sum(version.n for _, version in legs),
    )


def _enough(found: Finding, legs: Sequence[Arms], fewest: float = FEWEST) -> Finding:
    """The finding, which is none below so many units of an arm."""
    if all(sum(arms[side].n for arms in legs) >= fewest for side in (0, 1)):
        return found
    return replace(found, verdict="INCONCLUSIVE", estimate=None, low=None, high=None)
