"""The timetable: every flight planned out of New York, with the aircraft that will fly it."""

from datetime import date
from typing import TYPE_CHECKING

from mlplat_assets.features.catalog.flights import _nycflights13
from mlplat_assets.spec import Field, Source

if TYPE_CHECKING:
    import polars as pl


def read(first: date, last: date) -> "pl.DataFrame":
    """Flights by the UTC day of their scheduled departure."""
    import polars as pl

    day = pl.col("scheduled_departure").dt.date()
    columns = [column.name for column in SOURCE.columns]
    flights = _nycflights13.flights().rename({"flight": "flight_number", "hour": "local_hour"})
    named = flights.with_columns(weekday=pl.date("year", "month", "day").dt.weekday())
    return _nycflights13.window(named, day, first, last).select(*columns, "partition_day")


SOURCE = Source(
    description="One row per scheduled flight; known a day ahead.",
    columns=(
        Field(name="flight_id", dtype="string", description="Date, carrier, number and origin"),
        Field(name="carrier", dtype="string", description="Two-letter airline code"),
        Field(name="flight_number", dtype="int"),
        Field(name="tailnum", dtype="string", description="The aircraft; null if never assigned"),
        Field(name="origin", dtype="string", description="EWR, JFK or LGA"),
        Field(name="dest", dtype="string", description="IATA code of the destination"),
        Field(name="distance", dtype="int", description="Miles"),
        Field(name="local_hour", dtype="int", description="Scheduled hour of departure, local"),
        Field(name="weekday", dtype="int", description="ISO day of the week, Monday 1"),
        Field(name="scheduled_departure", dtype="timestamp", description="UTC"),
        Field(name="scheduled_arrival", dtype="timestamp", description="UTC"),
    ),
    read=read,
)
