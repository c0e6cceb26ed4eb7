"""What the lake's drift tables hold, as the console shows it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from mlplat_assets.keys import table


@dataclass(frozen=True, kw_only=True)
class DayVerdict:
    """What was said of one day of one version."""

    day: date
    version: int
    verdict: str
    drifted: int


def newest_verdicts(
    connection: duckdb.DuckDBPyConnection, models: Iterable[str]
) -> dict[str, DayVerdict]:
    """The verdict of each model's newest day; of several versions, that of the highest number."""
    known = _tables(connection)
    looked = [model for model in models if _table(model) in known]
    if not looked:
        return {}
    parts = [
        f"""select '{model}' as model, partition_day, version, any_value(verdict),
                   count(*) filter (drifted)
            from {_table(model)}
            where partition_day = (select max(partition_day) from {_table(model)})
            group by all"""
        for model in looked
    ]
    rows = connection.execute(f"{' union all '.join(parts)} order by model, version").fetchall()
    return {
        model: DayVerdict(day=day, version=version, verdict=verdict, drifted=drifted)
        for model, day, version, verdict, drifted in rows
    }


def last_day(connection: duckdb.DuckDBPyConnection, model: str) -> date | None:
    """The newest day that was compared; None before the first."""
    if _table(model) not in _tables(connection):
        return None
    return connection.execute(f"select max(partition_day) from {_table(model)}").fetchall()[0][0]


def compared_days(
    connection: duckdb.DuckDBPyConnection, model: str, first: date, last: date
) -> list[Mapping[str, Any]]:
    """The rows of the days, one for each day, version and column."""
    found = connection.execute(
        f"""select * from {_table(model)} where partition_day between ? and ?
            order by partition_day, version""",
        [first, last],
    )
    return found.to_arrow_table().to_pylist()


def _tables(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The tables of drift, told by their columns because other tables may lie beside them."""
    found = connection.execute(
        "select table_name from duckdb_columns() where database_name = 'lake' "
        "and schema_name = 'drift' and column_name = 'verdict'"
    )
    return {f"drift.{name}" for (name,) in found.fetchall()}


def _table(model: str) -> str:
    return table("drift", *model.split(".", 1))
