"""The lake as it stood at one snapshot, and views read from it for the point-in-time join.

Every read names the snapshot, so a training set can be made again after its views were rebuilt.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb
import polars as pl
import pyarrow as pa

from mlplat_assets.discovery import Declared
from mlplat_assets.features.as_of import age_limit
from mlplat_assets.features.frames import microseconds, select
from mlplat_assets.features.point_in_time import ViewFrame
from mlplat_assets.keys import table
from mlplat_assets.spec import FeatureView
from resources.lake import Lake
from resources.lake_digests import days_in_digests

# DuckDB's timestamps end a little above; no event lies beyond.
_ENDS = 9 * 10**18


@dataclass(frozen=True, kw_only=True)
class LakeSnapshot:
    """One snapshot of the lake, open for reading until its `lake_at` block ends."""

    id: int
    _connection: duckdb.DuckDBPyConnection

    def read(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """The rows of a query over tables named by `table`, values bound to its `?` marks.

        Raises:
            LookupError: A table or column did not exist at this snapshot.
        """
        try:
            return self._connection.execute(sql, list(parameters)).to_arrow_table()
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            raise LookupError(
                f"at snapshot {self.id} the lake lacks what is asked for: {_sentence(error)}; "
                "materialise the asset, or choose a later snapshot"
            ) from error

    def batches(
        self, sql: str, parameters: Sequence[object], rows: int
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a query, about so many at a time; nothing else may be read meanwhile."""
        yield from self._connection.execute(sql, list(parameters)).to_arrow_reader(rows)

    def table(self, name: str) -> str:
        """A table as it stood, to be written after `from`."""
        return f"{name} at (version => {self.id})"

    def columns(self, name: str) -> list[str]:
        """The columns of a table, in order."""
        return self.read(f"select * from {self.table(name)} limit 0").column_names


@dataclass(frozen=True, kw_only=True)
class Span:
    """The first and last of some moments, both inclusive, in microseconds since 1970 UTC."""

    first: int
    last: int


@contextmanager
def lake_at(lake: Lake, snapshot: int | None = None) -> Iterator[LakeSnapshot]:
    """The lake at a snapshot, the newest one by default, for the length of the block.

    Raises:
        LookupError: The lake does not hold the snapshot (any more).
    """
    with lake.connect() as connection:
        connection.execute("begin")  # the catalogue is read once for the whole block
        first, newest = connection.execute(
            "select min(snapshot_id), max(snapshot_id) from ducklake_snapshots('lake')"
        ).fetchall()[0]
        chosen = newest if snapshot is None else snapshot
        held = connection.execute(
            "select 1 from ducklake_snapshots('lake') where snapshot_id = ?", [chosen]
        ).fetchall()
        if not held:
            raise LookupError(
                f"the lake holds no snapshot {chosen}; choose one from {first} to {newest}"
            )
        yield LakeSnapshot(id=chosen, _connection=connection)


def span_of(frame: pa.Table, event_timestamp: str) -> Span | None:
    """The span of an entity frame's times; None where it has none.

    Raises:
        LookupError: The column is missing.
        TypeError: It holds no timestamps.
    """
    owner = "the entity frame"
    times = select(frame, [event_timestamp], owner)
    dtype = times.collect_schema()[event_timestamp]
    found = times.select(t=microseconds(event_timestamp, dtype, owner)).collect()["t"]
    first, last = found.min(), found.max()
    if not isinstance(first, int) or not isinstance(last, int):
        return None
    return Span(first=first, last=last)


def view_frame(
    at: LakeSnapshot,
    view: Declared[FeatureView],
    features: Sequence[str],
    span: Span | None,
    *,
    last_day: date | None = None,
    also: Mapping[str, str] | None = None,
) -> ViewFrame:
    """The rows of a view that can count at some moment of a span, in the order of writing.

    They are read when the join takes them, and let go after it, so that one view at a time is in
    memory. Event times bound what is read: files and row groups outside the reach are skipped,
    whatever day of knowledge they belong to.

    Args:
        at: The snapshot to read.
        view: The view.
        features: Which of its features.
        span: The moments asked about; None for none.
        last_day: Leave out partitions of later days.
        also: Further columns to join like features, from their name to the lake's.
    """
    spec, named = view.spec, also or {}
    keys = tuple(entity.name for entity in spec.entities)
    columns = [*keys, "event_timestamp", "created_timestamp", *features]
    columns += [f'{column} as "{name}"' for name, column in named.items()]
    where, bound = _reach(spec, span, last_day)
    query = f"""select {", ".join(columns)}, rowid as written_as
        from {at.table(table("features", view.team, view.name))} where {where}"""
    empty = pl.DataFrame(at.read(f"{query} limit 0", bound)).drop("written_as")
    return ViewFrame(
        name=view.full_name,
        frame=pl.defer(lambda: _as_written(at.read(query, bound)), schema=empty.schema),
        keys=keys,
        features=(*features, *named),
        event_timestamp="event_timestamp",
        created_timestamp="created_timestamp",
        ttl=spec.ttl,
        landing_delay=spec.landing_delay,
    )


def partition_digests(at: LakeSnapshot, name: str, days: Sequence[date]) -> dict[date, str]:
    """What the content of some days of a table is called, as it stood at the snapshot.

    Computed from the rows: what the platform recorded of a day may be of a later write.
    """
    sql = days_in_digests(at.table(name), at.columns(name))
    found = at.read(sql, [list(days)]).to_pydict()
    return dict(zip(found["day"], found["digest"], strict=True))


def _reach(view: FeatureView, span: Span | None, last_day: date | None) -> tuple[str, list[object]]:
    """The condition that a row can count, and its bound values."""
    if span is None:
        return "false", []
    delay = view.landing_delay // timedelta(microseconds=1)
    first = max(span.first - age_limit(view.ttl), -_ENDS)
    last = min(span.last - delay, _ENDS)
    where = "event_timestamp between make_timestamp(?) and make_timestamp(?)"
    if last_day is None:
        return where, [first, last]
    return f"{where} and partition_day <= ?", [first, last, last_day]


def _as_written(rows: pa.Table) -> pl.DataFrame:
    """The rows in the order of writing, by which the join decides between equal times.

    The lake hands out small recent writes after all files, whenever they were written.
    """
    frame = pl.DataFrame(rows)
    if not frame["written_as"].is_sorted():
        frame = frame.sort("written_as")
    return frame.drop("written_as")


def _sentence(error: duckdb.Error) -> str:
    return str(error).splitlines()[0].partition("Error: ")[2].rstrip("!. ")
