"""The evidence of an evaluation, as the registry keeps and checks it. Canonical JSON."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mlplat_assets.assessment.comparison import Comparison
from mlplat_assets.models.evaluations.examination import Examination
from mlplat_assets.models.splits import Split
from mlplat_assets.statistics.intervals import MINIMUM_DAYS, Interval
from resources.registry.evidence import non_finite
from resources.registry.records import Version


def evidence_of(
    model: str,
    handed: Mapping[str, Any],
    champion: Version | None,
    parts: Split,
    found: Examination,
    at: datetime,
) -> dict[str, Any]:
    """What was measured, judged and seen; all that decided has `passed` and `verdict`.

    Raises:
        ValueError: A number is not finite.
    """
    metrics = {name: _estimates(own) for name, own in found.comparison.metrics.items()}
    evidence = {
        "model": model,
        "artifact_digest": handed["artifact_digest"],
        "training_set_digest": handed["training_set_digest"],
        "champion_version": champion.number if champion else None,
        "champion_artifact_digest": champion.artifact_digest if champion else None,
        "holdout": {**parts.periods["holdout"].iso(), "rows": parts.holdout.height},
        "metrics": metrics["candidate"],
        "champion_metrics": metrics.get("champion"),
        "baseline_metrics": metrics["baseline"],
        "intervals": _intervals(found.comparison.metrics),
        "differences": _intervals(found.comparison.differences),
        "method": found.comparison.method,
        "calibration_noise": found.calibration_noise,
        "estimate_gaps": {name: each.json() for name, each in found.estimate_gaps.items()},
        "answers_apart": found.answers_apart.json() if found.answers_apart else None,
        "gates": found.gates.gates,
        "slices": found.slices,
        "fairness": found.fairness,
        "footprint": found.footprint,
        "budget": found.budget,
        "importance": {"inputs": found.inputs, "views": found.views},
        "limits": limits_of(found),
        "passed": not found.reasons,
        "reasons": found.reasons,
        "evaluated_at": at.isoformat(),
    }
    for place, value in non_finite(evidence, "evidence"):
        raise ValueError(f"{model}: {place} is {value}, no number; look at the training run")
    return evidence


def limits_of(found: Examination) -> list[str]:
    """What the evaluation could not tell, a sentence each."""
    compared: Comparison = found.comparison
    limits = []
    if compared.method["unit"] == "row":
        limits.append(
            f"The holdout has fewer than {MINIMUM_DAYS} days, so rows count as independent: "
            "intervals are narrower than the days to come will bear out."
        )
    for gate in found.gates.gates:
        interval, floor = gate["interval"], gate["floor"]
        if floor is not None and interval["low"] < floor < interval["high"]:
            limits.append(
                f"The interval of {gate['metric']} reaches beyond its floor {floor:g}, "
                "which is held against the estimate."
            )
    noise = found.calibration_noise
    ece = compared.metrics["candidate"].get("ece")
    if noise is not None and ece is not None and ece.estimate < 2 * noise:
        limits.append(
            f"Of a calibration error of {ece.estimate:.3f}, {noise:.3f} is what chance shows on as "
            "many rows of a perfectly calibrated model."
        )
    small = [each for each in found.slices if not each["metrics"]]
    limits += [f"Slice {each['column']} {each['value']}: {each['reason']}." for each in small]
    for each in found.fairness:
        limits += [
            f"Fairness over {each['column']}: group {group['value']} has {group['rows']} rows that "
            "count and was not judged."
            for group in each["groups"]
            if group["share"] is None
        ]
    return limits


def _estimates(found: Mapping[str, Interval]) -> dict[str, float]:
    return {name: interval.estimate for name, interval in found.items()}


def _intervals(
    found: Mapping[str, Mapping[str, Interval]],
) -> dict[str, dict[str, dict[str, float]]]:
    return {
        who: {name: interval.json() for name, interval in own.items()} for who, own in found.items()
    }
