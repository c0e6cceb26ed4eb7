"""What asset checks found: the newest verdict of each that watches data or a model in service.

Gates on candidates are left out: that one is refused is the platform at work, not trouble.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from mlplat_assets.alerts.findings import Examination, Finding
from mlplat_assets.discovery import Catalogue
from resources.alerts.records import Severity

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

# Of tables: a blocking check that fails is P0, one that warns P3.
TABLES = frozenset({"raw", "staging", "features", "labels", "online"})
# Of models in service: what each check is about. What drift and performance check is read from the
# lake, day by day.
SERVICE: Mapping[str, Mapping[str, str]] = {
    "predictions": {"served_as_trained": "skew", "reads_fresh_features": "stale"},
    "champions": {"is_young_enough": "stale"},
}
FRESH = "is_fresh"
# From so many times the promised age on, staleness is worse.
VERY_STALE = 2


def watched_checks(graph: "BaseAssetGraph") -> list[dg.AssetCheckKey]:
    """The checks that alerts are made from."""
    return sorted(
        check
        for check in graph.asset_check_keys
        if check.asset_key.path[0] in TABLES
        or check.name in SERVICE.get(check.asset_key.path[0], ())
    )


def examinations(
    instance: dg.DagsterInstance,
    checks: Iterable[dg.AssetCheckKey],
    readers: Mapping[dg.AssetKey, tuple[str, ...]],
    declared: Catalogue,
) -> Iterator[Examination]:
    """The newest finished evaluation of each check; one that still runs says nothing yet.

    Args:
        instance: Where Dagster keeps evaluations.
        checks: What `watched_checks` gave.
        readers: The models that suffer from each table.
        declared: For the age that a view promises.
    """
    newest = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(checks))
    for check, record in newest.items():
        if not (record.event and record.event.dagster_event and record.evaluation):
            continue
        evaluation = record.evaluation
        if not isinstance(evaluation, dg.AssetCheckEvaluation):
            continue
        stage, team, name = check.asset_key.path
        subject = f"{stage}.{check.name}"
        model = f"{team}.{name}"
        found = Finding(
            subject=subject,
            detail=evaluation.description or f"the check {check.name} of {stage} failed",
            severity=_staleness(evaluation, model, declared) if check.name == FRESH else None,
        )
        yield Examination(
            model=model,
            kind=_kind(stage, evaluation),
            subject=subject,
            window=f"{record.id:012}",
            failing=() if evaluation.passed else (found,),
            affects=readers.get(check.asset_key, (model,)),
        )


def _kind(stage: str, evaluation: dg.AssetCheckEvaluation) -> str:
    if stage in SERVICE:
        return SERVICE[stage][evaluation.check_name]
    if evaluation.check_name == FRESH:
        return "stale"
    return "broken_table" if evaluation.severity is dg.AssetCheckSeverity.ERROR else "warning"


def _staleness(
    evaluation: dg.AssetCheckEvaluation, view: str, declared: Catalogue
) -> Severity | None:
    promised = declared.views[view].spec.freshness if view in declared.views else None
    measured = evaluation.metadata.get("age_seconds")
    if promised is None or measured is None or not isinstance(measured.value, float):
        return None
    very = timedelta(seconds=measured.value) >= VERY_STALE * promised
    return Severity.P1 if very else None
