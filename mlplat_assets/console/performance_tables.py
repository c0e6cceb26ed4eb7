"""What the lake's performance tables hold, as the console shows it."""

from collections.abc import Mapping
from typing import Any

import duckdb

from mlplat_assets.keys import table


def performance_days(
    connection: duckdb.DuckDBPyConnection, model: str, days: int
) -> list[Mapping[str, Any]]:
    """The newest days that have labels, newest first, a row for each version; none before any."""
    name = table("performance", *model.split(".", 1))
    known = connection.execute(
        "select 1 from duckdb_tables() where database_name = 'lake' "
        "and schema_name || '.' || table_name = ?",
        [name],
    ).fetchall()
    if not known:
        return []
    found = connection.execute(
        f"""select * from {name}
            where partition_day > (select max(partition_day) from {name}) - ?::integer
            order by partition_day desc, version desc""",
        [days],
    )
    return found.to_arrow_table().to_pylist()
