"""The sensor that has rollouts looked at: one for all models."""

from collections.abc import Iterator

import dagster as dg
import msgspec

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import key
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.rollout_spec import Rollout
from mlplat_assets.rollouts.controller import is_to_begin, newest_staged
from mlplat_assets.rollouts.due import Now, Seen, why_due
from mlplat_assets.rollouts.tables import journal_bytes
from resources.registry.registry import Registry, utc_now
from resources.registry.rollout_record import RolloutRecord
from resources.settings import Settings

TAG = "mlplat/rollout"
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_Cursor = dict[str, Seen]


def rollouts_due(catalogue: Catalogue) -> list[dg.SensorDefinition]:
    """The sensor, where any model declares a rollout."""
    models = {name: model for name, model in catalogue.models.items() if model.spec.rollout}
    if not models:
        return []

    @dg.sensor(
        name="rollouts_due",
        asset_selection=dg.AssetSelection.key_prefixes(["rollouts"]),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=10,
        description="A version was registered, or an open rollout has something to decide.",
    )
    def due(
        context: dg.SensorEvaluationContext,
        registry: dg.ResourceParam[Registry],
        settings: dg.ResourceParam[Settings],
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        cursor = msgspec.json.decode(context.cursor or "{}", type=_Cursor)
        records = {record.model: record for record in registry.rollouts.newest()}
        asked = False
        for name, model in models.items():
            record = records.get(name)
            now = _now(registry, settings, name, record)
            plan = model.spec.rollout or Rollout()
            reason = why_due(record, plan, cursor.get(name), now)
            if reason and not _is_looked_at(context.instance, name):
                cursor[name] = now.seen
                asked = True
                yield _request(model, reason)
        context.update_cursor(msgspec.json.encode(cursor).decode())
        if not asked:
            yield dg.SkipReason("no rollout has anything to decide")

    return [due]


def _now(registry: Registry, settings: Settings, name: str, record: RolloutRecord | None) -> Now:
    newest = newest_staged(registry, name)
    begins = newest.number if newest and is_to_begin(record, newest) else None
    if begins is not None and registry.obstacles(name, begins).readiness:
        begins = None
    entries = registry.audit(name, newest=1)
    return Now(
        at=utc_now(),
        audit=entries[0].id if entries else 0,
        journal=journal_bytes(settings.journal, name) if record and record.is_open else 0,
        begins=begins,
    )


def _is_looked_at(instance: dg.DagsterInstance, name: str) -> bool:
    unfinished = dg.RunsFilter(tags={TAG: name}, statuses=_UNFINISHED)
    return bool(instance.get_run_records(filters=unfinished, limit=1))


def _request(model: Declared[ModelSpec], reason: str) -> dg.RunRequest:
    return dg.RunRequest(
        asset_selection=[key("rollouts", model.team, model.name)],
        tags={TAG: model.full_name, "mlplat/model": model.full_name, "mlplat/because": reason},
    )
