"""What the lake can let go: old snapshots, and the files that no remaining snapshot reads."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from resources.lake import Lake

# DuckLake's own tables, beside the lake that is attached.
_CATALOG = "__ducklake_metadata_lake"


@dataclass(frozen=True, kw_only=True)
class Unread:
    """Data files that only the snapshots to expire read."""

    files: int
    size: int


def old_snapshots(lake: Lake, before: datetime, kept: Collection[int]) -> list[int]:
    """The snapshots taken before a moment, but those to keep and the newest of all."""
    found = lake.read(
        """select snapshot_id from ducklake_snapshots('lake')
           where snapshot_time < ? and not list_contains(?::bigint[], snapshot_id)
           and snapshot_id < (select max(snapshot_id) from ducklake_snapshots('lake'))
           order by 1""",
        [before, sorted(kept)],
    )
    return found["snapshot_id"].to_pylist()


def unread_without(lake: Lake, snapshots: Collection[int]) -> Unread:
    """The data files that no snapshot reads once these are gone."""
    found = lake.read(
        f"""select count(*) as files, coalesce(sum(file_size_bytes), 0)::bigint as size
            from {_CATALOG}.ducklake_data_file as file
            where not exists (
                select 1 from {_CATALOG}.ducklake_snapshot as held
                where not list_contains(?::bigint[], held.snapshot_id)
                and held.snapshot_id >= file.begin_snapshot
                and (file.end_snapshot is null or held.snapshot_id < file.end_snapshot)
            )""",
        [sorted(snapshots)],
    ).to_pylist()[0]
    return Unread(files=found["files"], size=found["size"])


def expire(lake: Lake, snapshots: Collection[int]) -> None:
    """Forget snapshots; files that they alone read wait for `delete_unread`."""
    if not snapshots:
        return
    with lake.lock(), lake.connect() as connection:
        listed = ", ".join(str(int(one)) for one in sorted(snapshots))
        connection.execute(f"call ducklake_expire_snapshots('lake', versions => [{listed}])")


def waiting_since(lake: Lake, before: datetime) -> list[str]:
    """The files that no snapshot has read since before a moment, so that no reader is left."""
    return _clean(lake, before, dry_run=True)


def delete_unread(lake: Lake, before: datetime) -> list[str]:
    """Delete the files that no snapshot has read since before a moment; returns their paths."""
    with lake.lock():
        return _clean(lake, before, dry_run=False)


def _clean(lake: Lake, before: datetime, *, dry_run: bool) -> list[str]:
    with lake.connect() as connection:
        found = connection.execute(
            f"""select * from ducklake_cleanup_old_files(
                'lake', dry_run => {dry_run}, older_than => timestamptz '{before.isoformat()}')"""
        )
        return [path for (path, *_) in found.fetchall()]
