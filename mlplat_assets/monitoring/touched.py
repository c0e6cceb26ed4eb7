"""Which predictions read a partition of a feature view."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import duckdb

from resources.lake import Lake

Days = tuple[date, date]


@dataclass(frozen=True, kw_only=True)
class PredictionsOf:
    """The predictions of a version: how many it made, and those that read one of the partitions.

    `exact` is as asked: whether the partitions are surely the bad ones. Times are UTC, None where
    none read it.
    """

    model: str
    version: int
    exact: bool
    made: int
    read: int
    first_served: datetime | None
    last_served: datetime | None
    ids: list[str]


def predictions_touched(
    lake: Lake, days: Mapping[str, Days], *, exact: bool
) -> list[PredictionsOf]:
    """Of every version that predicted; `days` are partitions, first to last, by feature view.

    Each prediction recorded which partition its row of each view came from.
    """
    with lake.connect() as connection:
        return [
            found
            for name in prediction_tables(connection)
            for found in _touched(connection, name, days, exact)
        ]


def prediction_tables(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The tables of predictions, named by their column because other tables may lie beside them."""
    found = connection.execute(
        "select table_name from duckdb_columns() where database_name = 'lake' "
        "and schema_name = 'predictions' and column_name = 'feature_partitions' order by 1"
    )
    return [f'predictions."{name}"' for (name,) in found.fetchall()]


def _touched(
    connection: duckdb.DuckDBPyConnection, name: str, days: Mapping[str, Days], exact: bool
) -> list[PredictionsOf]:
    reads = " or ".join(
        "json_extract_string(feature_partitions, ?)::date between ? and ?" for _ in days
    )
    bound = [value for view, span in days.items() for value in (f'$."{view}"', span[0], span[1])]
    rows = connection.execute(
        f"""with told as (
                select model, version, served_at, prediction_id,
                       coalesce({reads or "false"}, false) as read
                from {name}
            )
            select model, version, count(*), count(*) filter (read),
                   min(served_at) filter (read), max(served_at) filter (read),
                   list(prediction_id order by served_at) filter (read)
            from told group by 1, 2 order by 1, 2""",
        bound,
    ).fetchall()
    return [
        PredictionsOf(
            model=model,
            version=version,
            exact=exact,
            made=made,
            read=read,
            first_served=first and first.replace(tzinfo=UTC),
            last_served=last and last.replace(tzinfo=UTC),
            ids=ids or [],
        )
        for model, version, made, read, first, last, ids in rows
    ]
