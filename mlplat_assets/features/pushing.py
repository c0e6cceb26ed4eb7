"""Rows pushed into a view: into the lake for training, online for serving, or both."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

import polars as pl

from mlplat_assets.discovery import Declared
from mlplat_assets.features.frames import EagerFrame
from mlplat_assets.features.online.rows import latest_rows
from mlplat_assets.features.pushed_rows import checked_rows, grain, lake_rows
from mlplat_assets.keys import table
from mlplat_assets.spec import FeatureView
from resources.lake import Lake, create_table
from resources.online_store import OnlineStore

Destination = Literal["online", "offline", "both"]
_RUN = "push"


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What a push wrote: rows, the lake's partitions they are in, and entities changed online.

    Online, a row older than what is held changes nothing and is not counted.
    """

    rows: int
    partitions: tuple[date, ...]
    online: int


def push_rows(
    view: Declared[FeatureView],
    rows: EagerFrame,
    to: Destination,
    *,
    lake: Lake,
    online_store: OnlineStore,
    clock: Callable[[], datetime],
) -> Pushed:
    """Check all rows, then write them: to the lake first, then online.

    A row of the same keys and times as one in the lake takes its place, so pushing twice is
    pushing once. If the online store is away, the lake has the rows and the next sync brings them.

    Raises:
        LookupError, TypeError, ValueError: The rows do not fit the view; nothing is written.
        OnlineStoreUnavailable: The online store is away.
    """
    if to not in ("online", "offline", "both"):
        raise ValueError(f"to={to!r}: push to 'online', 'offline' or 'both'")
    now = clock()
    frame = checked_rows(view, rows, now)
    if to != "offline":
        _check_servable(view, frame, now)
    days: Sequence[date] = ()
    if to != "online" and frame.height:
        days = frame["partition_day"].unique().sort().to_list()
        _append(lake, view, frame, days)
    written = 0
    if to != "offline" and frame.height:
        written = online_store.write(view.full_name, latest_rows(frame, view.spec))
    return Pushed(rows=frame.height, partitions=tuple(days), online=written)


def _check_servable(view: Declared[FeatureView], frame: pl.DataFrame, now: datetime) -> None:
    if not view.spec.online:
        raise ValueError(f"view {view.full_name!r} is not online: push to='offline'")
    # Served before its time, a value would be one that training never sees at that moment.
    early = frame.filter(pl.col("event_timestamp") + view.spec.landing_delay > now).height
    if view.spec.landing_delay and early:
        raise ValueError(
            f"{early} of {frame.height} rows for {view.full_name} take effect only "
            f"{view.spec.landing_delay} (landing_delay) after their event: push to='offline', "
            "or push them then"
        )


def _append(
    lake: Lake, view: Declared[FeatureView], frame: pl.DataFrame, days: Sequence[date]
) -> None:
    name = table("features", view.team, view.name)
    same = " and ".join(f"held.{column} = incoming.{column}" for column in grain(view))
    with lake.write() as connection:
        connection.register("incoming", lake_rows(frame))
        create_table(
            connection, name, "select * from incoming limit 0", partition_by="partition_day"
        )
        connection.execute(
            f"""delete from {name} as held using incoming
                where held.partition_day between ? and ? and {same}""",
            [days[0], days[-1]],
        )
        connection.execute(f"insert into {name} by name select * from incoming")
    for first, last in _runs(days):
        lake.record_partitions(name, first, last, run_id=_RUN)


def _runs(days: Sequence[date]) -> Iterator[tuple[date, date]]:
    """Ascending days as runs of consecutive ones, so that no untouched day is recorded."""
    first = last = days[0]
    for day in days[1:]:
        if day - last > timedelta(days=1):
            yield first, last
            first = day
        last = day
    yield first, last
