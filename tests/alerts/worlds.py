"""Stand-in assets of models that need no training, watched by the real sensor."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from mlplat_assets.alerts.seen import Seen, seen
from mlplat_assets.alerts.watch import Watch
from mlplat_assets.discovery import Catalogue, Declared, Team
from mlplat_assets.keys import key, table
from mlplat_assets.model_spec import Gate, ModelSpec
from resources.alerts.records import Said, Severity
from resources.lake import Lake
from resources.registry.registry import Registry

DRIFT = pa.schema(
    [
        ("partition_day", pa.date32()),
        ("version", pa.int64()),
        ("verdict", pa.string()),
        ("rows", pa.int64()),
        ("column", pa.string()),
        ("psi", pa.float64()),
        ("threshold", pa.float64()),
        ("drifted", pa.bool_()),
        ("null_share", pa.float64()),
        ("kind", pa.string()),
        ("findings", pa.string()),
    ]
)
FINDINGS = pa.schema(
    [
        ("partition_day", pa.date32()),
        ("version", pa.int64()),
        ("variant", pa.string()),
        ("claim", pa.string()),
        ("subject", pa.string()),
        ("verdict", pa.string()),
        ("failed", pa.bool_()),
        ("reason", pa.string()),
    ]
)
SPEC = ModelSpec(
    task="binary",
    label="flights.arrival_delay:is_late",
    features=("flights.weather",),
    gates=(Gate(metric="auc"),),
    approvers=("dana@flights.example.com",),
)


def declared(*models: str, end_day: date | None = date(2014, 1, 1)) -> Catalogue:
    """Teams with nothing but models."""
    teams = {name.split(".")[0] for name in models}
    return Catalogue(
        teams={
            team: Team(name=team, owner=f"team:{team}", first_day=date(2013, 1, 1), end_day=end_day)
            for team in teams
        },
        models={
            name: Declared(
                team=name.split(".")[0], name=name.split(".")[1], file=Path("none"), spec=SPEC
            )
            for name in models
        },
    )


class Verdict(dg.Config):
    """What the stand-in's check says; `fails` lets the asset itself fail."""

    passes: bool = True
    fails: bool = False


def checked(
    stage: str, model: str, check: str, *, blocking: bool, deps: tuple[dg.AssetKey, ...] = ()
) -> dg.AssetsDefinition:
    """An asset whose check obeys the run's configuration."""
    team, name = model.split(".")
    asset_key = key(stage, team, name)  # type: ignore[arg-type]

    @dg.asset(
        key=asset_key,
        deps=deps,
        check_specs=[dg.AssetCheckSpec(check, asset=asset_key, blocking=blocking)],
    )
    def stand_in(config: Verdict) -> dg.MaterializeResult:
        if config.fails:
            raise dg.Failure("the source is away", allow_retries=False)
        severity = dg.AssetCheckSeverity.ERROR if blocking else dg.AssetCheckSeverity.WARN
        told = dg.AssetCheckResult(
            check_name=check, passed=config.passes, severity=severity, description="12 rows lack it"
        )
        return dg.MaterializeResult(check_results=[told])

    return stand_in


def training_set_of(model: str, *upstream: dg.AssetKey) -> dg.AssetsDefinition:
    """A training set that reads these tables."""
    team, name = model.split(".")

    @dg.asset(key=key("training_sets", team, name), deps=upstream)
    def stand_in() -> None: ...

    return stand_in


def ran(asset: dg.AssetsDefinition, instance: dg.DagsterInstance, **verdict: bool) -> None:
    """Materialise a stand-in in a run of its own."""
    job = dg.Definitions(assets=[asset]).resolve_implicit_global_asset_job_def()
    job.execute_in_process(
        instance=instance,
        run_config=dg.RunConfig({asset.op.name: Verdict(**verdict)}),
        asset_selection=[asset.key],
        raise_on_error=False,
    )


def watch(
    instance: dg.DagsterInstance,
    lake: Lake,
    catalogue: Catalogue,
    *assets: dg.AssetsDefinition,
) -> Watch:
    """What the sensor would look at."""
    graph = dg.Definitions(assets=list(assets)).resolve_asset_graph()
    return Watch(instance=instance, graph=graph, lake=lake, declared=catalogue)


class Book:
    """The registry's book, told what a watch finds; remembers where the next look begins."""

    def __init__(self, store: Registry, watched: Watch) -> None:
        self.store, self.watched = store, watched
        self.before = Seen()

    def look(self, now: datetime | None = None) -> list[Said]:
        """What is told of it."""
        made, after = self.watched.settle(
            self.store, lambda alert: ["log"], self.before, now or datetime.now(UTC)
        )
        self.before = seen(after.text())
        return [step.says for step in made if step.says]

    def open(self) -> list[tuple[Severity, str, str, str]]:
        """Severity, kind, model and subject of each."""
        return [(a.severity, a.kind, a.model, a.subject) for a in self.store.alerts.open()]


def write_drift(lake: Lake, model: str, day: date, **columns: Mapping[str, Any]) -> None:
    """One day of a model's drift: each column as told, else undrifted."""
    drifted = any(column.get("drifted") for column in columns.values())
    rows = [
        {"partition_day": day, "version": 1, "verdict": "DRIFT" if drifted else "OK",
         "rows": 1000, "column": name, "psi": 0.02, "threshold": 0.25, "drifted": False,
         "null_share": 0.0, "kind": "none", "findings": None, **told}
        for name, told in columns.items()
    ]  # fmt: skip
    where = table("drift", *model.split("."))
    lake.replace_days(where, pa.Table.from_pylist(rows, schema=DRIFT), day, day)


def write_findings(lake: Lake, model: str, day: date, *found: Mapping[str, Any]) -> None:
    """One day of what performance found of a model's champion."""
    rows = [
        {"partition_day": day, "version": 1, "variant": "champion",
         "failed": told["verdict"] in ("FAIL", "CONCEPT_DRIFT"), "reason": "measured", **told}
        for told in found
    ]  # fmt: skip
    where = f"{table('performance', *model.split('.'))}__findings"
    lake.replace_days(where, pa.Table.from_pylist(rows, schema=FINDINGS), day, day)
