"""Hourly weather at the three New York airports; each observation is known an hour later."""

from datetime import date
from typing import TYPE_CHECKING

from mlplat_assets.features.catalog.flights import _nycflights13
from mlplat_assets.spec import Field, Source

if TYPE_CHECKING:
    import polars as pl


def read(first: date, last: date) -> "pl.DataFrame":
    """Observations by the UTC day on which they become known."""
    import polars as pl

    known = pl.col("observed_at") + pl.duration(hours=1)
    observed = _nycflights13.weather().with_columns(known_at=known)
    columns = [column.name for column in SOURCE.columns]
    day = pl.col("known_at").dt.date()
    return _nycflights13.window(observed, day, first, last).select(*columns, "partition_day")


SOURCE = Source(
    description="One row per airport and hour.",
    columns=(
        Field(name="origin", dtype="string"),
        Field(name="observed_at", dtype="timestamp", description="UTC"),
        Field(name="known_at", dtype="timestamp", description="UTC, an hour after observation"),
        Field(name="temp", dtype="float", description="Degrees Fahrenheit"),
        Field(name="dewp", dtype="float", description="Dew point, degrees Fahrenheit"),
        Field(name="humid", dtype="float", description="Relative humidity, percent"),
        Field(name="wind_speed", dtype="float", description="Miles per hour"),
        Field(name="wind_gust", dtype="float", description="Miles per hour; null without gusts"),
        Field(name="precip", dtype="float", description="Inches in the hour"),
        Field(name="pressure", dtype="float", description="Sea-level pressure, millibars"),
        Field(name="visib", dtype="float", description="Visibility, miles"),
    ),
    read=read,
)
