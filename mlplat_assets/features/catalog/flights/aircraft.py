"""What kind of aircraft it is: make, age and size, cleaned of the register's many spellings."""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

from mlplat_assets.spec import FeatureView, Field

if TYPE_CHECKING:
    import polars as pl

# The register spells one maker several ways; the first word is the maker, but for these.
_MAKERS = {"CANADAIR": "BOMBARDIER", "MCDONNELL": "DOUGLAS"}


def compute(inputs: "Mapping[str, pl.LazyFrame]", first: date, last: date) -> "pl.DataFrame":
    """One row per aircraft that first appears in the window."""
    import polars as pl

    planes = inputs["raw.flights.planes"].filter(pl.col("partition_day").is_between(first, last))
    maker = pl.col("manufacturer").str.split(" ").list.first().replace(_MAKERS)
    return planes.select(
        "tailnum",
        event_timestamp="first_seen",
        created_timestamp="first_seen",
        partition_day="partition_day",
        maker=maker,
        built=pl.col("built"),
        seats=pl.col("seats"),
        jet=pl.col("engine").is_in(["Turbo-fan", "Turbo-jet"]),
    ).collect()


VIEW = FeatureView(
    description="One row per aircraft, valid from its first appearance in the timetable.",
    entities=(Field(name="tailnum", dtype="string", description="Tail number of the aircraft"),),
    features=(
        Field(name="maker", dtype="string", description="Manufacturer, one spelling each"),
        Field(
            name="built", dtype="int", description="Year of manufacture", minimum=1900, maximum=2100
        ),
        Field(name="seats", dtype="int", description="Seats", minimum=1, maximum=1000),
        Field(name="jet", dtype="bool", description="Whether it has jet engines"),
    ),
    inputs=("raw.flights.planes",),
    compute=compute,
)
