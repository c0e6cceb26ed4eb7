"""The query that digests the content of each day of a lake table."""

from collections.abc import Sequence


def day_digests(table: str, columns: Sequence[str], *, known: str) -> str:
    """SQL with one row per day of a window: day, digest, row count, whether the digest is new.

    Its parameters are the window's first day, its last day and the table's name. `known` is the
    table of digests recorded before.
    """
    # A sum of row hashes does not depend on row order, and unlike xor it counts duplicates.
    row_hash = f"hash({', '.join(columns)})::hugeint"
    return f"""
        with days as (
            select unnest(generate_series($1::date, $2::date, interval 1 day))::date as day
        ), content as (
            select partition_day as day, count(*) as n, sum({row_hash}) as total
            from {table} where partition_day between $1 and $2 group by 1
        ), known as (
            select partition_day as day, arg_max(digest, recorded_at) as digest
            from {known} where table_name = $3 group by 1
        ), current as (
            select days.day, coalesce(n, 0) as n,
                md5('{",".join(columns)}' || '|' || coalesce(n, 0) || '|' || coalesce(total, 0))
                    as digest
            from days left join content using (day)
        )
        select current.day, current.digest, current.n,
               current.digest is distinct from known.digest as changed
        from current left join known using (day) order by 1"""
