"""How long one look of the alert sensor takes: 100 models, 26 columns each, on SQLite files.

    python -m bench.alert_tick

The first look reads seven days of drift and performance of every model; the usual one has one new
day of each; the idle one has nothing new. Checks are 8 of each model and 4 of each of 40 views.
Writes bench/results/alert_tick.json.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa

from bench.machine import machine
from mlplat_assets.alerts.seen import Seen
from mlplat_assets.alerts.watch import Watch
from mlplat_assets.keys import key, table
from resources.lake import Lake, create_table
from resources.registry.registry import registry
from tests.alerts.worlds import DRIFT, FINDINGS, checked, declared, training_set_of

MODELS, VIEWS, COLUMNS, DAYS = 100, 40, 26, 14
RESULTS = Path(__file__).parent / "results" / "alert_tick.json"
NAMES = [f"team{number % 5}.model{number}" for number in range(MODELS)]
FIRST = date(2013, 6, 1)
CLAIMS = [("meets_its_objectives", "p99_ms"), ("meets_its_objectives", "error_share"),
          ("performs_as_promised", "auc"), ("no_concept_drift", "auc")]  # fmt: skip


def write_days(lake: Lake, days: list[date], rng: np.random.Generator) -> None:
    """Drift and findings of every model; one in ten drifts, one in twenty has a null spike.

    One transaction: the fill is not what is measured, and 400 of them took five minutes.
    """
    with lake.write() as connection:
        for number, model in enumerate(NAMES):
            team, name = model.split(".")
            for where, rows in [
                (table("drift", team, name), drift_of(number, days, rng)),
                (f"{table('performance', team, name)}__findings", findings_of(days)),
            ]:
                connection.register("incoming", rows)
                connection.execute(f"create schema if not exists {where.split('.')[0]}")
                query = "select * from incoming"
                if days[0] == FIRST:
                    create_table(
                        connection, where, f"{query} limit 0", partition_by="partition_day"
                    )
                connection.execute(f"insert into {where} by name {query}")


def drift_of(number: int, days: list[date], rng: np.random.Generator) -> pa.Table:
    """A row for each day and column."""
    drifts, spikes = number % 10 == 0, number % 20 == 1
    rows = [
        {
            "partition_day": day,
            "version": 1,
            "verdict": "DRIFT" if drifts else "OK",
            "rows": 1000,
            "column": f"column{column}",
            "psi": float(rng.random() / 10),
            "threshold": 0.25,
            "drifted": drifts and column < 3,
            "null_share": 0.0,
            "kind": "quality" if spikes and column == 0 else "none",
            "findings": "null_spike" if spikes and column == 0 else None,
        }
        for day in days
        for column in range(COLUMNS)
    ]
    return pa.Table.from_pylist(rows, schema=DRIFT)


def findings_of(days: list[date]) -> pa.Table:
    """A row for each day and claim, all of which hold."""
    rows = [
        {
            "partition_day": day,
            "version": 1,
            "variant": "champion",
            "claim": claim,
            "subject": subject,
            "verdict": "PASS",
            "failed": False,
            "reason": "measured",
        }
        for day in days
        for claim, subject in CLAIMS
    ]
    return pa.Table.from_pylist(rows, schema=FINDINGS)


def assets() -> Iterator[dg.AssetsDefinition]:
    """Views with checks, and the training sets that read five of them each."""
    views = [f"team{number % 5}.view{number}" for number in range(VIEWS)]
    yield from (checked("features", view, "is_sound", blocking=True) for view in views)
    keys = [key("features", *view.split(".")) for view in views]
    for number, model in enumerate(NAMES):
        upstream = [keys[(number + step) % VIEWS] for step in range(0, 25, 5)]
        yield training_set_of(model, *upstream)


def evaluate(instance: dg.DagsterInstance, graph: object, passed: bool) -> int:
    """An evaluation of every check, as runs would leave them."""
    checks = sorted(graph.asset_check_keys)  # type: ignore[attr-defined]
    for check in checks:
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=check.asset_key,
                check_name=check.name,
                passed=passed,
                metadata={},
                severity=dg.AssetCheckSeverity.ERROR,
                description="told by the bench",
            )
        )
    return len(checks)


def main() -> None:
    """Measure, print and write."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder, dg.instance_for_test(temp_dir=folder) as instance:
        home = Path(folder)
        lake = Lake(f"sqlite:{home / 'catalog.sqlite'}", str(home / "data"), home / "lock")
        store = registry(f"sqlite:///{home / 'registry.sqlite'}")
        store.migrate()
        graph = dg.Definitions(assets=list(assets())).resolve_asset_graph()
        checks = evaluate(instance, graph, passed=True)
        past = [FIRST + timedelta(days=n) for n in range(DAYS)]
        write_days(lake, past, rng)
        watch = Watch(instance=instance, graph=graph, lake=lake, declared=declared(*NAMES))
        told: dict[str, object] = {"models": MODELS, "checks": checks, "days": DAYS}
        before = Seen()
        for name in ("first", "usual", "idle"):
            if name == "usual":
                write_days(lake, [past[-1] + timedelta(days=1)], rng)
            began, cpu = time.perf_counter(), time.process_time()
            made, before = watch.settle(store, lambda alert: ["log"], before, datetime.now(UTC))
            told[f"{name}_seconds"] = round(time.perf_counter() - began, 3)
            told[f"{name}_cpu_seconds"] = round(time.process_time() - cpu, 3)
            told[f"{name}_steps"] = len(made)
        lake.close()
    print(json.dumps(told, indent=1))  # noqa: T201
    RESULTS.write_text(json.dumps({"machine": machine(), **told}, indent=1) + "\n")


if __name__ == "__main__":
    main()
