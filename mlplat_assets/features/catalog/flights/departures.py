"""Flights that have left the gate; the delay is known at that moment."""

from datetime import date
from typing import TYPE_CHECKING

from mlplat_assets.features.catalog.flights import _nycflights13
from mlplat_assets.spec import Field, Source

if TYPE_CHECKING:
    import polars as pl


def read(first: date, last: date) -> "pl.DataFrame":
    """Departures by the UTC day on which they happened."""
    import polars as pl

    left = _nycflights13.flights().rename({"dep_delay": "departure_delay"})
    left = left.filter(pl.col("departed_at").is_not_null())
    columns = [column.name for column in SOURCE.columns]
    day = pl.col("departed_at").dt.date()
    return _nycflights13.window(left, day, first, last).select(*columns, "partition_day")


SOURCE = Source(
    description="One row per departed flight; cancelled flights never appear.",
    columns=(
        Field(name="flight_id", dtype="string"),
        Field(name="carrier", dtype="string"),
        Field(name="origin", dtype="string"),
        Field(name="dest", dtype="string"),
        Field(name="tailnum", dtype="string"),
        Field(name="departed_at", dtype="timestamp", description="UTC, time of knowledge"),
        Field(name="departure_delay", dtype="int", description="Minutes, negative when early"),
    ),
    read=read,
)
