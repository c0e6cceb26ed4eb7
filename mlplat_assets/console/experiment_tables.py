"""What the lake's experiment tables hold, as the console shows it."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb


@dataclass(frozen=True, kw_only=True)
class ExperimentResult:
    """An experiment as it was analysed last.

    Attributes:
        name: `team.name`.
        day: The newest day of decisions that it counts.
        verdict: Of the whole, about `arm`, because of `reasons`.
        looks: The newest look at each arm and metric: effect with its interval, units, means.
        rows: How many journal rows it rests on, and `digest` which.
    """

    name: str
    day: date
    verdict: str
    arm: str | None
    reasons: str
    looks: list[Mapping[str, Any]]
    rows: int
    digest: str
    snapshot: int | None


def experiment_results(
    connection: duckdb.DuckDBPyConnection, wanted: Container[str] | None = None
) -> list[ExperimentResult]:
    """The wanted experiments that were analysed, by name; None wants every one."""
    found = connection.execute(
        "select table_name from duckdb_columns() where database_name = 'lake' "
        "and schema_name = 'experiments' and column_name = 'verdict_arm' order by 1"
    )
    tables = [name for (name,) in found.fetchall() if wanted is None or _name(name) in wanted]
    results = [_result(connection, name) for name in tables]
    return [each for each in results if each is not None]


def _result(connection: duckdb.DuckDBPyConnection, table_name: str) -> ExperimentResult | None:
    found = connection.execute(
        f'''select * from experiments."{table_name}"
            where partition_day = (select max(partition_day) from experiments."{table_name}")
            order by role, measure, arm'''
    )
    looks = found.to_arrow_table().to_pylist()
    if not looks:
        return None
    whole = looks[0]
    return ExperimentResult(
        name=_name(table_name),
        day=whole["partition_day"],
        verdict=whole["verdict"],
        arm=whole["verdict_arm"],
        reasons=whole["reasons"],
        looks=looks,
        rows=whole["rows"],
        digest=whole["rows_digest"],
        snapshot=whole["lake_snapshot"],
    )


def _name(table_name: str) -> str:
    return table_name.replace("__", ".", 1)
