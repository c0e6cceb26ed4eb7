"""Which rows the online store must change, by comparing days of the lake with what it was given.

Temporary tables of one connection, each a step: `fresh` rows of the days as they are to be, `held`
rows as they were given, `gone` rows that were given and are not fresh, the `newest` fresh row of
each key. A key whose newest row is later than its gone ones needs nothing but that row. Any other
key with gone rows is `looked_up` in all days: an older row returns, or none is left.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import duckdb
import polars as pl
import pyarrow as pa

from mlplat_assets.discovery import Declared
from mlplat_assets.features.online.rows import online_rows, utc, view_columns
from mlplat_assets.features.online.state import Version
from mlplat_assets.keys import table
from mlplat_assets.spec import FeatureView
from resources.online_store import OnlineRow, Replacement

_ROWS_AT_ONCE = 10_000
_ORDER = "{'event_timestamp': event_timestamp, 'created_timestamp': created_timestamp}"
# The span beside the list, because only the span spares reading files.
_CHOSEN = "partition_day between ? and ? and partition_day in (select unnest(?))"
# The attempt that gave rows of days whose last sync finished; else the version's snapshot.
_FINISHED = 0
# What reading a version raises when its snapshot, its table or a column of it is gone.
_LOST = (
    duckdb.InvalidInputException,
    duckdb.CatalogException,
    duckdb.BinderException,
    duckdb.ConversionException,
)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a comparison found: rows read, keys with other rows than before, the newest event."""

    rows_read: int
    keys_changed: int
    newest_event: datetime | None


class Changes:
    """The comparison of some days of one view, on a connection to the lake of its own."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, view: Declared[FeatureView]) -> None:
        """Remember the shape of the view's table."""
        self._connection = connection
        self._view = view.spec
        self._table = table("features", view.team, view.name)
        self._keys = [entity.name for entity in view.spec.entities]
        self._key = ", ".join(self._keys)
        self._columns = view_columns(view.spec)
        self._listed = ", ".join(self._columns)

    def read_fresh(self, days: list[date], snapshot: int, until: datetime) -> dict[date, datetime]:
        """Read the days as of a snapshot; returns the first event after `until` of each day.

        Rows after `until` are not in effect yet and are left out.
        """
        keyed = " and ".join(f"{name} is not null" for name in self._keys)
        source = f"{self._table} at (version => {snapshot}) where {_CHOSEN} and {keyed}"
        self._run(
            f"""create or replace temp table fresh as
                select {self._listed} from {source} and event_timestamp <= ?""",
            [*_choice(days), until],
        )
        self._run(
            f"""create or replace temp table held as
                select *, {_FINISHED}::bigint as attempt from fresh limit 0"""
        )
        self._run(
            f"""create or replace temp table gone as
                select {self._key}, event_timestamp, created_timestamp from fresh limit 0"""
        )
        waiting = self._run(
            f"""select partition_day, min(event_timestamp) from {source} and event_timestamp > ?
                group by 1""",
            [*_choice(days), until],
        )
        return dict(waiting.fetchall())

    def read_held(self, days: list[date], version: Version, *, finished: bool) -> bool:
        """Read the days as of a version that was given; False if the lake has it no more."""
        attempt = _FINISHED if finished else version.snapshot
        try:
            self._read_version("held", f"{self._listed}, {attempt}", days, version)
        except _LOST:
            return False
        return True

    def audit(self, rows: pl.DataFrame) -> None:
        """Take held rows (key, times, day) as gone that are not fresh."""
        identity = f"{self._key}, event_timestamp, created_timestamp"
        self._connection.register("audited", rows.to_arrow())
        self._run(
            f"""insert into gone select {identity} from audited
                anti join fresh using ({identity}, partition_day)"""
        )

    def find(self, others: Mapping[Version, list[date]]) -> Found:
        """Compare. `others` are the days beside, in the versions that count for them."""
        same = " and ".join(f"fresh.{c} is not distinct from held.{c}" for c in self._columns)
        self._run(
            f"""insert into gone select {self._key}, unnest(latest) from (
                    select {self._key}, max({_ORDER}) as latest
                    from (select held.* from held anti join fresh on {same})
                    group by {self._key}, attempt)"""
        )
        self._run(
            f"""create or replace temp table arrived as
                select {self._key}, event_timestamp, created_timestamp from (
                    select fresh.* from fresh
                    anti join held on held.attempt = {_FINISHED} and {same})"""
        )
        self._keep_latest("newest", "fresh")
        self._run(
            f"""create or replace temp table looked_up as
                select distinct {self._key} from gone left join newest using ({self._key})
                where newest.event_timestamp is null
                   or (gone.event_timestamp, gone.created_timestamp)
                      > (newest.event_timestamp, newest.created_timestamp)"""
        )
        self._look_up(others)
        return self._found()

    def writes(self) -> Iterator[OnlineRow]:
        """The newest rows of keys that only gained rows."""
        return self._rows(
            f"""select {self._listed} from newest
                semi join arrived using ({self._key}, event_timestamp, created_timestamp)
                anti join looked_up using ({self._key})"""
        )

    def replacements(self) -> Iterator[Replacement]:
        """Of keys that lost their latest row: which one, and what takes its place."""
        wanted = ", ".join(f"latest.{name}" for name in self._columns if name not in self._keys)
        found = self._frames(
            f"""select {self._key}, gone.event_timestamp as gone_event,
                       gone.created_timestamp as gone_created, {wanted}
                from gone semi join looked_up using ({self._key})
                left join latest using ({self._key})"""
        )
        for frame in found:
            there = frame["event_timestamp"].is_not_null()
            rows = online_rows(frame.filter(there), self._view)
            for key, event, created, is_there in zip(
                frame.select(self._keys).iter_rows(),
                frame["gone_event"],
                frame["gone_created"],
                there,
                strict=True,
            ):
                yield Replacement(
                    key=key,
                    event_timestamp=utc(event),
                    created_timestamp=utc(created),
                    row=next(rows) if is_there else None,
                )

    def _look_up(self, others: Mapping[Version, list[date]]) -> None:
        """Find the latest row of the looked-up keys: in the fresh days and all others."""
        self._run(
            f"""create or replace temp table candidates as
                select {self._listed} from newest semi join looked_up using ({self._key})"""
        )
        any_key = self._run("select 1 from looked_up limit 1").fetchall()
        for version, days in others.items() if any_key else ():
            only = f"semi join looked_up using ({self._key})"
            try:
                self._read_version("candidates", self._listed, days, version, only)
            except _LOST:
                # Its days are behind: the sync that brings them compares all of their rows.
                continue
        self._keep_latest("latest", "candidates")

    def _found(self) -> Found:
        counts = self._run(
            f"""select (select count(*) from fresh) + (select count(*) from held),
                       (select count(*) from (
                           select {self._key} from arrived union select {self._key} from gone)),
                       (select max(event_timestamp) from fresh)"""
        ).fetchall()[0]
        newest = counts[2]
        return Found(
            rows_read=counts[0],
            keys_changed=counts[1],
            newest_event=utc(newest) if newest else None,
        )

    def _read_version(
        self, into: str, columns: str, days: list[date], version: Version, only: str = ""
    ) -> None:
        earlier = "and event_timestamp < ?" if version.before else ""
        keyed = " and ".join(f"{name} is not null" for name in self._keys)
        self._run(
            f"""insert into {into} select {columns}
                from {self._table} at (version => {version.snapshot}) {only}
                where {_CHOSEN} and {keyed} {earlier}""",
            [*_choice(days), *([version.before] if version.before else [])],
        )

    def _keep_latest(self, name: str, rows: str) -> None:
        packed = ", ".join(f"{column} := {column}" for column in self._columns)
        self._run(
            f"""create or replace temp table {name} as select unnest(latest) from (
                    select arg_max(struct_pack({packed}),
                                   (event_timestamp, created_timestamp, partition_day)) as latest
                    from {rows} group by {self._key})"""
        )

    def _rows(self, sql: str) -> Iterator[OnlineRow]:
        for frame in self._frames(sql):
            yield from online_rows(frame, self._view)

    def _frames(self, sql: str) -> Iterator[pl.DataFrame]:
        for batch in self._run(sql).to_arrow_reader(_ROWS_AT_ONCE):
            yield pl.DataFrame(pa.Table.from_batches([batch]))

    def _run(self, sql: str, parameters: list | None = None) -> duckdb.DuckDBPyConnection:
        return self._connection.execute(sql, parameters)


def _choice(days: list[date]) -> list[object]:
    return [min(days), max(days), days]
