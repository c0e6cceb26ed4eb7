"""Views of made-up declarations through real dbt: compiled once, then run by DuckDB on any rows."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import yaml

from mlplat_assets.dbt_declarations import dbt_views
from mlplat_assets.discovery import Team
from mlplat_assets.features.manifest import DBT_PROJECT
from mlplat_assets.spec import FeatureView

# Compiled for a window that no test asks for; a run puts its own in place.
_FIRST, _LAST = "1901-01-01", "1902-02-02"
_TEAMS = {"flights": Team(name="flights", owner="a@b.example", first_day=date(2013, 1, 1))}
_SYSTEM = {
    "event_timestamp": "timestamp",
    "created_timestamp": "timestamp",
    "partition_day": "date",
}
EVENTS = pa.schema(
    [
        ("id", pa.string()),
        ("key", pa.string()),
        ("number", pa.int64()),
        ("at", pa.timestamp("us")),
        ("whole", pa.int64()),
        ("weight", pa.float64()),
        ("partition_day", pa.date32()),
    ]
)
_KEYS = {"key": "varchar", "number": "bigint"}


@dataclass(frozen=True, kw_only=True)
class CompiledView:
    """A declared view and the SQL that dbt made of it."""

    spec: FeatureView
    sql: str

    @property
    def columns(self) -> list[str]:
        """Names of the view's columns, keys first."""
        fields = (*self.spec.entities, *self.spec.features)
        names = [field.name for field in fields]
        keys = len(self.spec.entities)
        return [*names[:keys], *_SYSTEM, *names[keys:]]

    def build(self, events: Sequence[Mapping[str, Any]], first: date, last: date) -> pa.Table:
        """The view's rows of the days over source rows in the order in which they landed."""
        sql = self.sql.replace(_FIRST, first.isoformat()).replace(_LAST, last.isoformat())
        connection = _lake()
        connection.register("landed", pa.Table.from_pylist(list(events), EVENTS))
        connection.execute("create or replace table lake.raw.flights__events as from landed")
        return connection.execute(sql).to_arrow_table()

    def rows(
        self, events: Sequence[Mapping[str, Any]], first: date, last: date
    ) -> list[dict[str, Any]]:
        """The same as dicts, by entity and time."""
        found = self.build(events, first, last).to_pylist()
        keys = [entity.name for entity in self.spec.entities]
        return sorted(found, key=lambda row: [row[key] for key in (*keys, "event_timestamp")])


@cache
def _lake() -> duckdb.DuckDBPyConnection:
    """Opened once: opening costs as much as a query."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("attach ':memory:' as lake; create schema lake.raw")
    return connection


def compile_views(
    folder: Path, declared: Mapping[str, Mapping[str, Any]]
) -> dict[str, CompiledView]:
    """Compile declarations `{entities, aggregates}` in a dbt project of their own."""
    models = folder / "models" / "features" / "flights"
    models.mkdir(parents=True)
    shutil.copytree(DBT_PROJECT / "macros", folder / "macros")
    shutil.copy(DBT_PROJECT / "dbt_project.yml", folder)
    for name, view in declared.items():
        _write_model(models, name, view)
    source = {"name": "flights", "database": "lake", "schema": "raw"}
    tables = [{"name": "events", "identifier": "flights__events"}]
    (folder / "models" / "sources.yml").write_text(
        yaml.safe_dump({"version": 2, "sources": [{**source, "tables": tables}]})
    )
    output = {"type": "duckdb", "path": str(folder / "lake.duckdb"), "schema": "main"}
    (folder / "profiles.yml").write_text(
        yaml.safe_dump({"mlplat": {"target": "lake", "outputs": {"lake": output}}})
    )
    with duckdb.connect(folder / "lake.duckdb") as connection:
        connection.execute("create schema raw")
        connection.register("landed", EVENTS.empty_table())
        connection.execute("create table raw.flights__events as from landed")
    _dbt_compile(folder)
    compiled = folder / "target" / "compiled" / "mlplat" / "models" / "features" / "flights"
    return {
        view.name: CompiledView(
            spec=view.spec, sql=(compiled / f"{view.dbt_model}.sql").read_text()
        )
        for view in dbt_views(folder / "models", _TEAMS)
    }


def aggregates(every: str, windows: Iterable[str], *, stream: bool = False) -> dict[str, Any]:
    """A declaration with each function of each column over each window."""
    features: dict[str, dict[str, Any]] = {}
    for window in windows:
        over = {"window": window}
        short = window.replace(" ", "_")
        features[f"count_{short}"] = {"function": "count", **over}
        for column in ("whole", "weight"):
            for function in ("sum", "mean", "min", "max"):
                features[f"{column}_{function}_{short}"] = {
                    "function": function,
                    "column": column,
                    **over,
                }
            for above in (-2.5, 1):
                features[f"{column}_above_{int(above) + 9}_{short}"] = {
                    "function": "share",
                    "column": column,
                    "above": above,
                    **over,
                }
    named = {"source": "events", "timestamp": "at", "unit": "id", "every": every}
    return {**named, "stream": stream, "features": features}


def _write_model(models: Path, name: str, view: Mapping[str, Any]) -> None:
    columns = {key: _KEYS[key] for key in view["entities"]} | _SYSTEM
    for feature, given in view["aggregates"]["features"].items():
        whole = given["function"] == "count" or (
            given["function"] in ("sum", "min", "max") and given["column"] == "whole"
        )
        columns[feature] = "bigint" if whole else "double"
    model = {
        "name": f"ftr_flights__{name}",
        "description": "Made up.",
        "config": {"meta": {"feature_view": dict(view)}},
        "columns": [{"name": name, "data_type": dtype} for name, dtype in columns.items()],
    }
    content = yaml.safe_dump({"version": 2, "models": [model]}, sort_keys=False)
    (models / f"ftr_flights__{name}.yml").write_text(content)
    sql = "{{ windowed_aggregates(source('flights', 'events')) }}"
    (models / f"ftr_flights__{name}.sql").write_text(sql)


def _dbt_compile(folder: Path) -> None:
    ran = subprocess.run(
        [
            Path(sys.executable).parent / "dbt",
            "--quiet",
            "compile",
            "--project-dir",
            folder,
            "--profiles-dir",
            folder,
        ],
        env={**os.environ, "MLPLAT_WINDOW_FIRST": _FIRST, "MLPLAT_WINDOW_LAST": _LAST},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
