"""What the graph says of models now: checks that fail, runs that train, the version that serves."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES, RunsFilter
from dagster._utils.schedules import get_latest_completed_cron_tick

from mlplat_assets.discovery import Declared, Team
from mlplat_assets.keys import Stage, key
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.retraining.governor import Broken
from mlplat_assets.retraining.triggers import Failing, Kind, Serving
from resources.registry.registry import Registry

# The checks that ask for a retraining when they begin to fail.
ASKING: Mapping[Kind, tuple[Stage, str]] = {
    "drift": ("drift", "within_tolerance"),
    "decay": ("performance", "performs_as_promised"),
    "concept_drift": ("performance", "no_concept_drift"),
}
# Of a run that the governor asked for; its value is the number of the request.
RETRAINING_TAG = "mlplat/retraining"
_PAGE = 100
_EVALUATED = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}

Evaluations = Mapping[dg.AssetCheckKey, AssetCheckExecutionRecord]


def asking_checks(model: Declared[ModelSpec]) -> dict[Kind, dg.AssetCheckKey]:
    """The checks of a model that ask for a retraining when they begin to fail."""
    return {
        kind: dg.AssetCheckKey(key(stage, model.team, model.name), name)
        for kind, (stage, name) in ASKING.items()
    }


def evaluations(instance: dg.DagsterInstance, checks: Iterable[dg.AssetCheckKey]) -> Evaluations:
    """The newest evaluation of each check that ever had one, in one query.

    One that is being evaluated now, or whose run broke before, has that of before.
    """
    wanted = list(checks)
    storage = instance.event_log_storage
    newest = {**storage.get_latest_asset_check_execution_by_key(wanted)}
    known = {check: newest[check] for check in wanted if check in newest}
    for check, record in known.copy().items():
        if record.status not in _EVALUATED:
            before = storage.get_asset_check_execution_history(check, limit=1, status=_EVALUATED)
            known.pop(check)
            if before:
                known[check] = before[0]
    return known


def failing(
    instance: dg.DagsterInstance, model: Declared[ModelSpec], found: Evaluations
) -> dict[Kind, Failing]:
    """The checks of a model that ask for a retraining now."""
    return {
        kind: _failing(instance, check, found[check])
        for kind, check in asking_checks(model).items()
        if check in found and found[check].status is AssetCheckExecutionRecordStatus.FAILED
    }


def broken(found: Evaluations) -> tuple[Broken, ...]:
    """The checks of data quality that fail, among the evaluations."""
    return tuple(
        Broken(
            table=check.asset_key.to_user_string(),
            check=check.name,
            told=_evaluation(record).description or "",
        )
        for check, record in found.items()
        if record.status is AssetCheckExecutionRecordStatus.FAILED
    )


def training_run(instance: dg.DagsterInstance, model: Declared[ModelSpec], but: str) -> str | None:
    """A run in progress that trains the model and that no request launched; not the run `but`."""
    trained = key("candidates", model.team, model.name)
    for run in instance.get_runs(RunsFilter(statuses=IN_PROGRESS_RUN_STATUSES)):
        ours = RETRAINING_TAG in run.tags or run.run_id == but
        if not ours and trained in (run.asset_selection or ()):
            return run.run_id
    return None


def serving(registry: Registry, model: str) -> Serving | None:
    """The version in production; None without one."""
    decided = registry.decision(model)
    if decided is None or decided.version is None:
        return None
    version = registry.version(model, decided.version)
    return Serving(version=version.number, registered_at=version.created_at, promoted_at=decided.at)


def cron_tick(model: Declared[ModelSpec], team: Team, now: datetime) -> datetime | None:
    """The last tick of the declared cron until now, UTC; None without one.

    A team whose calendar has ended replays the past: nothing gets fresher by the clock.
    """
    cron = model.spec.retrain.cron
    if cron is None or team.end_day:
        return None
    return get_latest_completed_cron_tick(cron, now, "UTC").astimezone(UTC)


def _failing(
    instance: dg.DagsterInstance, check: dg.AssetCheckKey, newest: AssetCheckExecutionRecord
) -> Failing:
    first, cursor = newest, newest.id
    storage = instance.event_log_storage
    while page := storage.get_asset_check_execution_history(
        check, limit=_PAGE, cursor=cursor, status=_EVALUATED
    ):
        for record in page:
            if record.status is AssetCheckExecutionRecordStatus.SUCCEEDED:
                return _told(first, newest)
            first = record
        cursor = page[-1].id
    return _told(first, newest)


def _told(first: AssetCheckExecutionRecord, newest: AssetCheckExecutionRecord) -> Failing:
    said = _evaluation(newest)
    named: Any = said.metadata["drifted"].value if "drifted" in said.metadata else {}
    return Failing(
        evaluation=newest.id,
        began=first.id,
        began_at=_evaluated_at(first),
        at=_evaluated_at(newest),
        told=said.description or f"{newest.key.name} fails",
        version=named.get("version"),
        columns=tuple(named.get("columns", ())),
    )


def _evaluation(record: AssetCheckExecutionRecord) -> dg.AssetCheckEvaluation:
    event = record.event and record.event.dagster_event
    assert event is not None  # of a record that was evaluated
    return event.asset_check_evaluation_data


def _evaluated_at(record: AssetCheckExecutionRecord) -> datetime:
    # The record's own time is that of the plan, and in whole seconds on SQLite.
    assert record.event is not None  # of a record that was evaluated
    return datetime.fromtimestamp(record.event.timestamp, UTC)
