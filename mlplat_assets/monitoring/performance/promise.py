"""Realised performance against what the version promised, and against its own estimate."""

import math
from collections.abc import Mapping
from typing import Any

from mlplat_assets.assessment.verdicts import Verdict, signed
from mlplat_assets.model_spec import METRICS, ModelSpec
from mlplat_assets.monitoring.performance.findings import (
    MINIMUM_ROWS,
    Claim,
    Concept,
    Finding,
)
from mlplat_assets.monitoring.performance.measured import Measured
from mlplat_assets.statistics.intervals import MINIMUM_DAYS, Interval

Evidence = Mapping[str, Any]


def performs_as_promised(found: Measured, evidence: Evidence, spec: ModelSpec) -> Finding:
    """The primary metric against that of the version's evaluation, less the declared tolerance.

    It fails where the better end of the difference's 95% interval is beyond the tolerance. Both
    are samples, so the interval is of both (their reaches as independent errors).
    """
    metric = spec.gates[0].metric
    promised: float = evidence["metrics"][metric]
    bound = promised - _sign(spec, metric) * spec.monitoring.tolerance
    unsure = too_few(found)
    if unsure or metric not in found.realised:
        reason = f"{metric}: {unsure or 'undefined on the labels that came'}"
        return Finding(
            claim=Claim.PROMISE,
            subject=metric,
            verdict=Verdict.INCONCLUSIVE,
            value=None,
            bound=bound,
            reason=reason,
        )
    realised = found.realised[metric]
    known = evidence.get("intervals", {}).get("candidate", {}).get(metric)
    # Evidence from before intervals is taken as exact.
    own = Interval(**known) if known else Interval(estimate=promised, low=promised, high=promised)
    difference = apart(realised, own)
    worse, better = _ends(difference, spec, metric)
    verdict = (
        Verdict.FAIL
        if better < -spec.monitoring.tolerance
        else Verdict.PASS
        if worse >= -spec.monitoring.tolerance
        else Verdict.INCONCLUSIVE
    )
    return Finding(
        claim=Claim.PROMISE,
        subject=metric,
        verdict=verdict,
        value=realised,
        bound=bound,
        reason=f"{metric} {realised} of {_told(found)}, promised {promised:.4g}: differs by "
        f"{signed(difference)}, tolerance {spec.monitoring.tolerance:g}",
    )


def no_concept_drift(found: Measured, evidence: Evidence, spec: ModelSpec) -> Finding | None:
    """Whether labels say what the probabilities of the same rows promised; None of a regression.

    Of the primary metric, or of the first one that can be estimated. What the estimate was off by
    on the version's holdout is its own miscalibration, and none of the concept's. It is drift
    where realised performance is surely below the estimate, and by more than the tolerance.
    """
    primary = spec.gates[0].metric
    metric = primary if primary in found.estimated else next(iter(found.estimated), None)
    if metric is None:
        return None
    unsure = too_few(found)
    if unsure or metric not in found.gaps:
        return Finding(
            claim=Claim.CONCEPT,
            subject=metric,
            verdict=Concept.INCONCLUSIVE,
            value=None,
            bound=-spec.monitoring.tolerance,
            reason=f"{metric}: {unsure or 'undefined on the labels that came'}",
        )
    known = evidence.get("estimate_gaps", {}).get(metric)
    bias = Interval(**known) if known else Interval(estimate=0.0, low=0.0, high=0.0)
    difference = apart(found.gaps[metric], bias)
    worse, better = _ends(difference, spec, metric)
    lost = _sign(spec, metric) * difference.estimate
    verdict = (
        Concept.CONCEPT_DRIFT
        if better < 0 and lost < -spec.monitoring.tolerance
        else Concept.AS_ESTIMATED
        if worse >= -spec.monitoring.tolerance
        else Concept.INCONCLUSIVE
    )
    of_holdout = f", {bias.estimate:+.4g} on its holdout" if known else ""
    return Finding(
        claim=Claim.CONCEPT,
        subject=metric,
        verdict=verdict,
        value=difference,
        bound=-spec.monitoring.tolerance,
        reason=f"{metric} of {_told(found)} is {found.gaps[metric].estimate:+.4g} beside its "
        f"estimate{of_holdout}: {signed(difference)}, tolerance {spec.monitoring.tolerance:g}",
    )


def apart(one: Interval, other: Interval) -> Interval:
    """The difference of two independent estimates: their reaches add up in squares."""
    difference = one.estimate - other.estimate
    return Interval(
        estimate=difference,
        low=difference - math.hypot(one.estimate - one.low, other.high - other.estimate),
        high=difference + math.hypot(one.high - one.estimate, other.estimate - other.low),
    )


def too_few(found: Measured) -> str:
    """Why the labels of a series tell nothing yet, empty where they may.

    Rows of a day are late or right together: of the flights, days counted as rows called four
    days' AUC surely below its estimate, and the days after it were not.
    """
    labelled = found.series.labelled
    if labelled.height < MINIMUM_ROWS:
        return f"{labelled.height} labelled rows, fewer than {MINIMUM_ROWS}"
    days, least = labelled["partition_day"].n_unique(), min(MINIMUM_DAYS, found.series.days)
    return f"labels of {days} days, fewer than {least}" if days < least else ""


def _sign(spec: ModelSpec, metric: str) -> int:
    return 1 if METRICS[spec.task][metric] == "higher" else -1


def _ends(difference: Interval, spec: ModelSpec, metric: str) -> tuple[float, float]:
    """The worse and the better end, more being better."""
    sign = _sign(spec, metric)
    worse, better = sorted((sign * difference.low, sign * difference.high))
    return worse, better


def _told(found: Measured) -> str:
    days = found.series.days
    span = f"{days} days to {found.series.day}" if days > 1 else f"{found.series.day}"
    return f"{found.series.labelled.height:,} labelled rows of {span}"
