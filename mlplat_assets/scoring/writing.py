"""Scores into the lake: each day is a version's rows of that day, however often it is scored."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from mlplat_assets.scoring.question import Days
from mlplat_assets.scoring.scores import SCHEMA, Target
from resources.lake import Lake, create_table

# When a row was read is no part of what it says.
_CONTENT = ", ".join(name for name in SCHEMA.names if name != "lake_snapshot")


@dataclass(frozen=True, kw_only=True)
class Written:
    """How many rows the days have now, and the days whose rows were replaced."""

    rows: int
    changed: list[date]


def write_days(
    lake: Lake, table: str, target: Target, days: Days, parts: Iterable[pa.Table]
) -> Written:
    """Make the version's rows of the days exactly these, in one transaction.

    A day that has them already is left as it is, with the snapshot that it was first read at.
    The parts go through a file, so that memory is that of one part and the lake's lock is held
    for the writing alone.
    """
    with tempfile.TemporaryDirectory(prefix="mlplat-scores-") as folder:
        file = Path(folder) / "scores.parquet"
        rows = 0
        with pq.ParquetWriter(file, SCHEMA) as writer:
            for part in parts:
                writer.write_table(part)
                rows += part.num_rows
        with lake.write() as connection:
            return Written(rows=rows, changed=_replace(connection, table, target, days, file))


def _replace(
    connection: duckdb.DuckDBPyConnection, table: str, target: Target, days: Days, file: Path
) -> list[date]:
    connection.register("no_rows", SCHEMA.empty_table())
    create_table(connection, table, "select * from no_rows", partition_by="partition_day")
    different = connection.execute(
        f"""with incoming as (select {_CONTENT} from read_parquet($1)),
                 held as (select {_CONTENT} from {table}
                          where version = $2 and partition_day between $3 and $4)
            select distinct partition_day from (
                (select * from incoming except all select * from held)
                union all (select * from held except all select * from incoming)
            ) order by 1""",
        [str(file), target.version, days.first, days.last],
    ).fetchall()
    changed = [day for (day,) in different]
    if changed:
        connection.execute(
            f"delete from {table} where version = ? and list_contains(?::date[], partition_day)",
            [target.version, changed],
        )
        connection.execute(
            f"""insert into {table} by name select * from read_parquet(?)
                where list_contains(?::date[], partition_day)""",
            [str(file), changed],
        )
    return changed
