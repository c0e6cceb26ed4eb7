"""The sensor that continues the graph where a person decided, or where an approval lapsed."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from mlplat_assets.approvals.asset import utc_now
from mlplat_assets.keys import key
from resources.registry.records import CORONATIONS, Action
from resources.registry.registry import Registry
from resources.registry.retraining_records import RetrainingState

# What changes what waits for people.
_TELLING = (
    Action.REGISTERED,
    Action.REEVALUATED,
    Action.REFUSED,
    Action.WITHDRAWN,
    Action.TAKEN_BACK,
    Action.RESTORED,
    Action.APPROVED,
    Action.REJECTED,
    Action.APPROVAL_REVOKED,
    *CORONATIONS,
    Action.RETRAINING_DECIDED,
    Action.RETRAINING_APPROVED,
    Action.RETRAINING_REJECTED,
    Action.RETRAINING_EXPIRED,
)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """How far the sensor has read: the last audit entry, and the moment of its last tick (UTC)."""

    entry: int
    at: datetime

    @classmethod
    def of(cls, cursor: str | None) -> "Seen":
        """From a cursor; everything is new without one."""
        entry, _, at = (cursor or "").partition(" ")
        start = datetime.min.replace(tzinfo=UTC)
        return cls(entry=int(entry or 0), at=datetime.fromisoformat(at) if at else start)

    def cursor(self) -> str:
        """As Dagster keeps it."""
        return f"{self.entry} {self.at.isoformat()}"


def approval_given(
    models: Collection[str], clock: Callable[[], datetime] = utc_now
) -> dg.SensorDefinition:
    """One sensor for all models; a run of `approvals` for each that people wait for or decided."""

    @dg.sensor(
        name="approval_given",
        asset_selection=dg.AssetSelection.key_prefixes(["approvals"]),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=5,
        description="A person decided, a version waits, or an approval lapsed.",
    )
    def given(
        context: dg.SensorEvaluationContext, registry: dg.ResourceParam[Registry]
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        seen = Seen.of(context.cursor)
        found, now = changes(registry, seen, clock())
        asked = [
            request(model, run_key)
            for model, run_key in found.items()
            if model in models and is_to_show(registry, context.instance, model, now.at)
        ]
        yield from asked
        if not asked:
            yield dg.SkipReason(f"nobody decided anything since audit entry {seen.entry}")
        context.update_cursor(now.cursor())

    return given


def changes(registry: Registry, seen: Seen, now: datetime) -> tuple[dict[str, str], Seen]:
    """The models of which something waits differently, each with a run key of its own."""
    entries = registry.audit_since(seen.entry)
    found = {
        approval.model: f"approvals-{approval.model}-lapsed-{approval.id}"
        for approval in registry.lapsed_approvals(seen.at, now)
    }
    found |= {
        entry.model: f"approvals-{entry.model}-{entry.id}"
        for entry in entries
        if entry.action in _TELLING
    }
    return found, Seen(entry=entries[-1].id if entries else seen.entry, at=now)


def request(model: str, run_key: str) -> dg.RunRequest:
    """A run of the model's asset."""
    team, name = model.split(".")
    return dg.RunRequest(
        run_key=run_key,
        asset_selection=[key("approvals", team, name)],
        tags={"mlplat/model": model},
    )


def is_to_show(registry: Registry, instance: dg.DagsterInstance, model: str, now: datetime) -> bool:
    """Whether something waits now, or the asset still says that it does."""
    asked = [each for each in registry.retrainings.open() if each.model == model]
    pending = any(each.state is RetrainingState.PENDING for each in asked)
    if pending or registry.waiting(now, model):
        return True
    event = instance.get_latest_materialization_event(key("approvals", *model.split(".")))
    told = event and event.asset_materialization
    return bool(told) and told.metadata["waits"].value != 0
