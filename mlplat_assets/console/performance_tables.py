"""What the lake's performance tables hold, as the console shows it."""

from collections.abc import Mapping
from typing import Any

import duckdb

from mlplat_assets.keys import table
from mlplat_assets.monitoring.performance.newest import newest_findings
from resources.registry.traffic_table import CHAMPION

Rows = list[Mapping[str, Any]]


def performance_days(connection: duckdb.DuckDBPyConnection, model: str, days: int) -> Rows:
    """The newest days that have labels, newest first, a row for each version; none before any."""
    name = _table(model)
    if not _is_there(connection, name):
        return []
    found = connection.execute(
        f"""select * from {name}
            where partition_day > (select max(partition_day) from {name}) - ?::integer
            order by partition_day desc, version desc""",
        [days],
    )
    return found.to_arrow_table().to_pylist()


def champion_days(
    connection: duckdb.DuckDBPyConnection, model: str, metric: str, days: int
) -> Rows:
    """One metric of the champion on its newest single days, oldest first; none before any.

    Each row has `value`, `low` and `high` once labels are known, `estimated_*` where probabilities
    promise something, None for what is not known; a day of a promotion has a row of each version.
    """
    name = f"{_table(model)}__metrics"
    if not _is_there(connection, name):
        return []
    found = connection.execute(
        f"""with own as (
                select partition_day, version, rows, value, low, high, served,
                       estimated_value, estimated_low, estimated_high
                from {name} where days = 1 and metric = ? and variant = ?
            )
            select * from own
            where partition_day > (select max(partition_day) from own) - ?::integer
            order by partition_day, version""",
        [metric, CHAMPION, days],
    )
    return found.to_arrow_table().to_pylist()


def champion_findings(connection: duckdb.DuckDBPyConnection, model: str) -> Rows:
    """What was found of the champion, as the asset's checks tell it; none before any."""
    name = f"{_table(model)}__findings"
    if not _is_there(connection, name):
        return []
    return connection.execute(newest_findings(name), [CHAMPION]).to_arrow_table().to_pylist()


def _is_there(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    found = connection.execute(
        "select 1 from duckdb_tables() where database_name = 'lake' "
        "and schema_name || '.' || table_name = ?",
        [name],
    )
    return bool(found.fetchall())


def _table(model: str) -> str:
    return table("performance", *model.split(".", 1))
