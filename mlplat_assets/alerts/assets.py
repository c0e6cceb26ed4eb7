"""The assets `alerts/<team>/<model>` and the sensor that keeps them: what is wrong, told once."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import dagster as dg

from mlplat_assets.alerts.seen import seen
from mlplat_assets.alerts.watch import Watch
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import Stage, group, key
from mlplat_assets.model_spec import ModelSpec
from resources.alerts.delivery import deliver_due
from resources.alerts.records import Alert, State, Step
from resources.alerts.routes import routes_of
from resources.lake import Lake
from resources.registry.registry import Registry
from resources.settings import Settings

# A sensor's tick may take 60 s; sinks that hang must leave time for the next look.
DELIVERING_SECONDS = 20


def alerts(model: Declared[ModelSpec], declared: Catalogue) -> dg.AssetSpec:
    """What is wrong with a model now. The sensor makes it, without a run, when it changes."""
    told_by: list[Stage] = ["drift", "performance"]
    if model.spec.rollout is not None:
        told_by.append("rollouts")
    return dg.AssetSpec(
        key("alerts", model.team, model.name),
        description="Open alerts, each told once. Made by the sensor when they change.",
        deps=[key(stage, model.team, model.name) for stage in told_by],
        group_name=group("alerts", model.team),
        owners=[declared.owner(model)],
    )


def alerts_changed(declared: Catalogue) -> dg.SensorDefinition:
    """One sensor for everything that a catalogue declares."""

    @dg.sensor(
        name="alerts_changed",
        asset_selection=dg.AssetSelection.key_prefixes(["alerts"]),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=30,
        description="Checks, runs, rollouts, drift and performance to alerts, and those to sinks.",
    )
    def changed(
        context: dg.SensorEvaluationContext,
        registry: dg.ResourceParam[Registry],
        lake: dg.ResourceParam[Lake],
        settings: dg.ResourceParam[Settings],
    ) -> dg.SensorResult:
        """One look at every model; the cursor says where the next one begins."""
        assert context.repository_def is not None  # the daemon always has it
        watch = Watch(
            instance=context.instance,
            graph=context.repository_def.asset_graph,
            lake=lake,
            declared=declared,
        )
        routes = routes_of(settings.alerts)
        now = datetime.now(UTC)
        made, after = watch.settle(registry, routes.sinks_of, seen(context.cursor), now)
        told = deliver_due(registry.outbox, routes.sinks, seconds=DELIVERING_SECONDS)
        for line in told.failures:
            context.log.warning(line)
        found = events(made, registry.alerts.open(), declared)
        skipped = None if found else f"nothing changed; {told.delivered} messages delivered"
        return dg.SensorResult(asset_events=found, skip_reason=skipped, cursor=after.text())

    return changed


def events(
    made: Iterable[Step], opened: Sequence[Alert], declared: Catalogue
) -> list[dg.AssetMaterialization]:
    """A materialisation for each model whose alerts opened, worsened or ended, with all open."""
    shown = [step.alert for step in made if step.alert.state is not State.PENDING]
    models = sorted({model for alert in shown for model in alert.affects} & {*declared.models})
    return [
        dg.AssetMaterialization(
            key("alerts", *model.split(".")),
            metadata={
                "open": len(mine),
                "alerts": dg.MetadataValue.md(_table(mine)),
                "worst": mine[0].severity.value if mine else "none",
            },
        )
        for model in models
        for mine in [[alert for alert in opened if model in alert.affects]]
    ]


def _table(found: Sequence[Alert]) -> str:
    lines = [
        f"| {a.id} | {a.severity} | {a.kind} | {a.model} | {a.subject} | {a.detail} |"
        for a in found
    ]
    return "\n".join(["| # | severity | kind | of | subject | detail |", "|---" * 6 + "|", *lines])
