"""Streamed rows in the lake: landed in one transaction, read back when a consumer begins."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from mlplat_assets.discovery import Declared
from mlplat_assets.features.arrow_types import ARROW_TYPES
from mlplat_assets.features.streaming.aggregates import SourceRow
from mlplat_assets.features.streaming.sources import (
    MICROSECOND,
    StreamedSource,
    aggregates_of,
    moment,
)
from mlplat_assets.features.streaming.tiles import ViewRow
from mlplat_assets.keys import table
from mlplat_assets.spec import FeatureView, Field
from resources.lake import Lake, create_table
from resources.lake_digests import PartitionVersion

_DAY = timedelta(days=1)
_TIME = pa.timestamp("us")


@dataclass(kw_only=True)
class Batch:
    """What is to land: source rows, and by view the newest values of each key and time."""

    fresh: list[SourceRow] = field(default_factory=list)
    rows: dict[str, dict[tuple[tuple[Any, ...], int], tuple[Any, ...]]] = field(
        default_factory=dict
    )
    # Days of source rows that came again: their digests may not have been recorded.
    days: set[date] = field(default_factory=set)

    def add_rows(self, rows: Mapping[str, Iterable[ViewRow]]) -> None:
        """Take rows of views; of the same key and time the last counts."""
        for view, found in rows.items():
            kept = self.rows.setdefault(view, {})
            for row in found:
                kept[row.key, row.t] = row.values

    def __len__(self) -> int:
        return len(self.fresh) + sum(map(len, self.rows.values()))


def land(lake: Lake, source: StreamedSource, batch: Batch, run_id: str) -> list[PartitionVersion]:
    """Append source rows, put the views' rows in place, and digest the days that were touched.

    Rows land in one transaction; landing the same batch again changes nothing.
    """
    raw = table("raw", source.source.team, source.source.name)
    with lake.write() as connection:
        fresh = _source_table(source, batch.fresh)
        touched = {raw: {*fresh["partition_day"].unique().to_pylist()} | batch.days}
        _append(connection, raw, fresh, source)
        for view in source.views:
            name = table("features", view.team, view.name)
            rows = batch.rows.get(view.full_name, {})
            found = _view_table(view, rows)
            touched[name] = {*found["partition_day"].unique().to_pylist()} | batch.days
            _put(connection, name, found, view)
    return [
        version
        for name, days in touched.items()
        for first, last in spans(days)
        for version in lake.record_partitions(name, first, last, run_id=run_id)
    ]


def landed(lake: Lake, source: StreamedSource) -> list[SourceRow]:
    """The source rows in the lake that a consumer's state holds."""
    raw = table("raw", source.source.team, source.source.name)
    if not lake.has(raw):
        return []
    newest = lake.read(
        f"""select max({source.timestamp}) as newest from {raw}
            where partition_day = (select max(partition_day) from {raw})"""
    ).to_pylist()[0]["newest"]
    if newest is None:
        return []
    start = moment(source.state().retained_from(_microseconds(newest)))
    names = [column.name for column in source.source.spec.columns]
    found = lake.read(
        f"""select {", ".join(names)} from {raw}
            where {source.timestamp} >= ? and partition_day >= ? order by {source.timestamp}""",
        [start.replace(tzinfo=None), start.date()],
    ).to_pylist()
    return [SourceRow(_microseconds(row[source.timestamp]), row[source.unit], row) for row in found]


def spans(days: Iterable[date]) -> list[tuple[date, date]]:
    """Days as spans of consecutive ones, both ends inclusive."""
    found: list[tuple[date, date]] = []
    for day in sorted(days):
        if found and found[-1][1] + _DAY == day:
            found[-1] = found[-1][0], day
        else:
            found.append((day, day))
    return found


def _append(
    connection: duckdb.DuckDBPyConnection, raw: str, rows: pa.Table, source: StreamedSource
) -> None:
    """Append rows of which the table holds no repeat, in the sense of the aggregates."""
    connection.register("incoming", rows)
    create_table(connection, raw, "select * from incoming limit 0", partition_by="partition_day")
    if not rows.num_rows:
        return
    days = rows["partition_day"].unique().to_pylist()
    margin = timedelta(days=-(-source.reach // _DAY))
    connection.execute(
        f"""insert into {raw} by name
            select * from incoming where not exists (
                select 1 from {raw} as held
                where held.{source.unit} = incoming.{source.unit}
                  and held.partition_day between ? and ?
                  and held.{source.timestamp} between
                      incoming.{source.timestamp} - ?::interval
                      and incoming.{source.timestamp} + ?::interval)""",
        [min(days) - margin, max(days) + margin, source.reach, source.reach],
    )


def _put(
    connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table, view: Declared[FeatureView]
) -> None:
    """Replace rows of the same key and time."""
    connection.register("incoming", rows)
    create_table(connection, name, "select * from incoming limit 0", partition_by="partition_day")
    if not rows.num_rows:
        return
    same = " and ".join(
        f"held.{column} = incoming.{column}"
        for column in (*(entity.name for entity in view.spec.entities), "event_timestamp")
    )
    days = rows["partition_day"].unique().to_pylist()
    connection.execute(
        f"""delete from {name} as held using incoming
            where held.partition_day between ? and ? and {same}""",
        [min(days), max(days)],
    )
    connection.execute(f"insert into {name} by name select * from incoming")


def _source_table(source: StreamedSource, rows: Sequence[SourceRow]) -> pa.Table:
    columns = {
        column.name: _column(column, [row.columns[column.name] for row in rows])
        for column in source.source.spec.columns
    }
    times = pa.array([row.ts for row in rows], type=pa.int64()).cast(_TIME)
    return pa.table({**columns, "partition_day": times.cast(pa.date32())})


def _view_table(
    view: Declared[FeatureView], rows: Mapping[tuple[tuple[Any, ...], int], tuple[Any, ...]]
) -> pa.Table:
    """The rows in the column order of the view's declaration, as its SQL makes them."""
    times = pa.array([t for _, t in rows], type=pa.int64()).cast(_TIME)
    columns = {
        entity.name: _column(entity, [key[at] for key, _ in rows])
        for at, entity in enumerate(view.spec.entities)
    }
    columns |= {"event_timestamp": times, "created_timestamp": times}
    columns["partition_day"] = times.cast(pa.date32())
    order = {name: at for at, name in enumerate(aggregates_of(view).features)}
    columns |= {
        feature.name: _column(feature, [values[order[feature.name]] for values in rows.values()])
        for feature in view.spec.features
    }
    return pa.table(columns)


def _column(declared: Field, values: list[Any]) -> pa.Array:
    if declared.dtype == "timestamp":
        # As the lake keeps times, UTC without a zone.
        return pa.array([value and value.replace(tzinfo=None) for value in values], type=_TIME)
    return pa.array(values, type=ARROW_TYPES[declared.dtype])


def _microseconds(held: datetime) -> int:
    return (held.replace(tzinfo=UTC) - moment(0)) // MICROSECOND
