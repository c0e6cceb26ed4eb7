"""What the content of a day of a lake table is called: its digest, and the query for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class PartitionVersion:
    """The content of one day of one table at one lake snapshot.

    `digest` depends on the rows alone, not on their order, file or snapshot; `created` columns
    are part of the rows.
    """

    table: str
    day: date
    digest: str
    rows: int
    snapshot: int
    changed: bool


def day_digests(table: str, columns: Sequence[str], *, known: str) -> str:
    """SQL with one row per day of a window: day, digest, row count, whether the digest is new.

    Its parameters are the window's first day, its last day and the table's name. `known` is the
    table of digests recorded before.
    """
    content = _content(table, columns, "partition_day between $1 and $2")
    return f"""
        with days as (
            select unnest(generate_series($1::date, $2::date, interval 1 day))::date as day
        ), content as ({content}), known as (
            select partition_day as day, arg_max(digest, recorded_at) as digest
            from {known} where table_name = $3 group by 1
        ), current as (
            select days.day, coalesce(n, 0) as n, {_digest(columns)} as digest
            from days left join content using (day)
        )
        select current.day, current.digest, current.n,
               current.digest is distinct from known.digest as changed
        from current left join known using (day) order by 1"""


def digests_between(table: str, columns: Sequence[str]) -> str:
    """SQL with day, digest and row count of those days of a window that have rows.

    Its two parameters are the window's first and last day.
    """
    content = _content(table, columns, "partition_day between $1::date and $2::date")
    return f"select day, {_digest(columns)} as digest, n from ({content}) order by day"


def days_in_digests(table: str, columns: Sequence[str]) -> str:
    """SQL with the day and digest of those days of a list, its one parameter, that have rows."""
    content = _content(table, columns, "list_contains($1::date[], partition_day)")
    return f"select day, {_digest(columns)} as digest from ({content})"


def _content(table: str, columns: Sequence[str], where: str) -> str:
    # A sum of row hashes does not depend on row order, and unlike xor it counts duplicates.
    row_hash = f"hash({', '.join(columns)})::hugeint"
    return f"""
        select partition_day as day, count(*) as n, sum({row_hash}) as total
        from {table} where {where} group by 1"""


def _digest(columns: Sequence[str]) -> str:
    return f"md5('{','.join(columns)}' || '|' || coalesce(n, 0) || '|' || coalesce(total, 0))"


def as_arrow(versions: Sequence[PartitionVersion], run_id: str) -> pa.Table:
    """Versions as rows of the lineage table, its time of recording left out."""
    return pa.table(
        {
            "table_name": [v.table for v in versions],
            "partition_day": [v.day for v in versions],
            "digest": [v.digest for v in versions],
            "row_count": [v.rows for v in versions],
            "snapshot": [v.snapshot for v in versions],
            "run_id": [run_id] * len(versions),
        }
    )
