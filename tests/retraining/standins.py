"""A model's graph with stand-ins for what is watched: their checks pass or fail as told.

The governor, its sensor, the registry and the Dagster instance are real.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import dagster as dg

from mlplat_assets.catalogue import catalogue
from mlplat_assets.discovery import Declared
from mlplat_assets.keys import Stage, key
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.retrain_spec import Retrain
from mlplat_assets.retraining.asset import retrainings, watched
from mlplat_assets.retraining.decisions import Watched
from mlplat_assets.retraining.sensor import CHAIN, judgements, launches
from mlplat_assets.retraining.upstream import Upstream
from resources.dagster_bindings import RESOURCES
from resources.registry.registry import Registry

DECLARED = catalogue()
MODEL = DECLARED.models["flights.arrival_delay"]
WEATHER = key("features", "flights", "weather")


class Says(dg.Config):
    """What the stand-in's check says, and about which columns and version."""

    passes: bool
    columns: str = ""
    version: int = 1


def stand_in(asset_key: dg.AssetKey, checks: Sequence[str], blocking: bool) -> dg.AssetsDefinition:
    """An asset of that key whose checks pass or fail as its run is told."""

    @dg.asset(
        key=asset_key,
        check_specs=[
            dg.AssetCheckSpec(check, asset=asset_key, blocking=blocking) for check in checks
        ],
    )
    def made(config: Says) -> dg.MaterializeResult:
        drifted = {"version": config.version, "columns": config.columns.split()}
        return dg.MaterializeResult(
            check_results=[
                dg.AssetCheckResult(
                    check_name=check,
                    passed=config.passes,
                    description=f"{check} says so",
                    metadata={"drifted": dg.MetadataValue.json(drifted)} if config.columns else {},
                )
                for check in checks
            ]
        )

    return made


@dataclass(kw_only=True)
class Graph:
    """A model with its watched upstream, and everything that the governor asked for so far."""

    instance: dg.DagsterInstance
    registry: Registry
    model: Declared[ModelSpec]
    keys: dict[str, dg.AssetsDefinition]
    governor: dg.AssetsDefinition
    watched: Watched
    run_keys: set[str]

    def says(self, stage: str, passes: bool, columns: Sequence[str] = (), version: int = 1) -> None:
        """Materialise a stand-in; its checks end as told."""
        asset = self.keys[stage]
        said = Says(passes=passes, columns=" ".join(columns), version=version)
        dg.materialize(
            [asset],
            instance=self.instance,
            run_config=dg.RunConfig({asset.op.name: said}),
            raise_on_error=False,
        )

    def tick(self, now: datetime | None = None) -> list[dg.RunRequest]:
        """What the sensor asks for that it did not ask for before, as the daemon sees it."""
        asked = [
            *launches(self.registry, self.instance, "robot"),
            *judgements([self.watched], self.registry, self.instance, now or datetime.now(UTC)),
        ]
        new = [request for request in asked if request.run_key not in self.run_keys]
        self.run_keys |= {str(request.run_key) for request in new}
        return new

    def judge(self, reason: str = "") -> dg.ExecuteInProcessResult:
        """Materialise the governor's asset, as the sensor's request or a person does."""
        config = {"ops": {self.governor.op.name: {"config": {"reason": reason}}}}
        return dg.materialize(
            [self.governor], instance=self.instance, resources=RESOURCES, run_config=config
        )

    def judged(self, now: datetime | None = None) -> list[tuple[str, str]]:
        """A tick, and the judgements of the run that it asks for, if it does."""
        before = {each.id for each in self.registry.retrainings.all()}
        if any(self.governor.key in (r.asset_selection or ()) for r in self.tick(now)):
            self.judge()
        return [
            (each.state.value, each.outcome)
            for each in self.registry.retrainings.all()
            if each.id not in before
        ]


def graph_of(
    instance: dg.DagsterInstance, registry: Registry, retrain: Retrain | None = None
) -> Graph:
    """The arrival delays with stand-ins for weather, drift, performance and the chain."""
    spec = replace(MODEL.spec, retrain=retrain or MODEL.spec.retrain)
    model = replace(MODEL, spec=spec)

    def of(stage: Stage, *checks: str) -> dg.AssetsDefinition:
        return stand_in(key(stage, model.team, model.name), checks, blocking=False)

    keys = {
        "weather": stand_in(WEATHER, ["meets_contract"], blocking=True),
        "drift": of("drift", "within_tolerance"),
        "soundness": of("drift", "data_is_sound"),
        "performance": of("performance", "performs_as_promised"),
    }

    @dg.asset(key=key(CHAIN[0], model.team, model.name), deps=[WEATHER])
    def training_set() -> None:
        pass

    upstream = Upstream([*keys.values(), training_set])
    return Graph(
        instance=instance,
        registry=registry,
        model=model,
        keys=keys,
        governor=retrainings(model, DECLARED, upstream),
        watched=watched(model, DECLARED, upstream),
        run_keys=set(),
    )
