"""The checks of a performance asset: the newest findings of the champion, in sentences."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from mlplat_assets.assessment.estimation import ASSUMPTION, ESTIMATED
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.monitoring.performance.findings import Claim
from mlplat_assets.monitoring.performance.newest import newest_findings
from mlplat_assets.monitoring.performance.tables import part_table
from mlplat_assets.monitoring_spec import Objectives
from resources.lake import Lake
from resources.registry.traffic_table import CHAMPION

_SAYS: Mapping[Claim, str] = {
    Claim.PROMISE: "The primary metric is not surely below the version's evaluation, less the "
    "tolerance.",
    Claim.CONCEPT: "Labels say what the probabilities promised, which assume no concept drift.",
    Claim.FAIRNESS: "No declared gap between groups is surely beyond its limit.",
    Claim.OBJECTIVES: "Answers are as fast and as faultless as declared.",
}


def claims_of(spec: ModelSpec) -> list[Claim]:
    """The claims that a model's declaration makes checkable."""
    found = [Claim.PROMISE]
    if ESTIMATED[spec.task]:
        found.append(Claim.CONCEPT)
    if spec.fairness:
        found.append(Claim.FAIRNESS)
    if spec.monitoring.objectives != Objectives():
        found.append(Claim.OBJECTIVES)
    return found


def check_specs(asset_key: dg.AssetKey, spec: ModelSpec) -> list[dg.AssetCheckSpec]:
    """A check for each claim. None blocks: what was served was served."""
    return [
        dg.AssetCheckSpec(claim.value, asset=asset_key, description=_SAYS[claim])
        for claim in claims_of(spec)
    ]


def check_results(
    lake: Lake, team: str, name: str, claims: Iterable[Claim]
) -> list[dg.AssetCheckResult]:
    """What the lake says of each claim of the champion now, whichever days a run has written."""
    query = newest_findings(part_table(team, name, "findings"))
    found = lake.read(query, [CHAMPION]).to_pylist()
    return [_result(claim, [row for row in found if row["claim"] == claim]) for claim in claims]


def _result(claim: Claim, rows: Sequence[dict[str, Any]]) -> dg.AssetCheckResult:
    failed = [row for row in rows if row["failed"]]
    told = "; ".join(f"{row['verdict']}: {row['reason']}" for row in failed or rows)
    metadata: dict[str, Any] = {"verdicts": [row["verdict"] for row in rows]}
    if rows:
        metadata["day"] = rows[0]["partition_day"].isoformat()
    if claim is Claim.CONCEPT:
        metadata["estimate"] = ASSUMPTION
    return dg.AssetCheckResult(
        check_name=claim.value,
        passed=not failed,
        severity=dg.AssetCheckSeverity.WARN
        if claim is Claim.FAIRNESS
        else dg.AssetCheckSeverity.ERROR,
        description=told or "nothing was served yet",
        metadata=metadata,
    )
