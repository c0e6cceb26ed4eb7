"""The sensor that carries a decision in the registry into the graph."""

from collections.abc import Iterator

import dagster as dg

from mlplat_assets.keys import key
from resources.registry.records import CORONATIONS
from resources.registry.registry import Registry


@dg.sensor(
    asset_selection=dg.AssetSelection.key_prefixes(["champions"], ["bentos"], ["endpoints"]),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=5,
    description="A version was promoted or rolled back: rebuild champion, Bento and endpoint.",
)
def champion_changed(
    context: dg.SensorEvaluationContext, registry: dg.ResourceParam[Registry]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One run per decision; the cursor is the last audit entry seen."""
    seen = int(context.cursor or 0)
    entries = registry.audit_since(seen)
    decided = [entry for entry in entries if entry.action in CORONATIONS]
    for entry in decided:
        team, name = entry.model.split(".")
        yield dg.RunRequest(
            run_key=f"audit-{entry.id}",
            asset_selection=[
                key(stage, team, name) for stage in ("champions", "bentos", "endpoints")
            ],
            tags={"mlplat/model": entry.model, "mlplat/audit_entry": str(entry.id)},
        )
    if not decided:
        yield dg.SkipReason(f"no decision since audit entry {seen}")
    if entries:
        context.update_cursor(str(entries[-1].id))
