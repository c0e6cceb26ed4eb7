"""Real departures as events, and the streamed view that reads them."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from mlplat_assets.catalogue import catalogue
from mlplat_assets.features.streaming.sources import StreamedSource, streamed_sources
from mlplat_assets.keys import table

VIEW = "flights.origin_live"
SOURCE = "flights.departures"
RAW_TABLE = table("raw", "flights", "departures")
VIEW_TABLE = table("features", "flights", "origin_live")


def source() -> StreamedSource:
    """The source of the streamed view, as declared."""
    return streamed_sources(catalogue(), [VIEW])[0]


def departures(first: date, last: date) -> pl.DataFrame:
    """Departures of whole days by the moment at which they became known."""
    rows = catalogue().sources[SOURCE].spec.read(first, last)
    return rows.sort("departed_at", "flight_id")


def events(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as a producer would send them."""
    return [
        {**row, "departed_at": row["departed_at"].replace(tzinfo=UTC).isoformat()}
        for row in rows.drop("partition_day").iter_rows(named=True)
    ]


def messages(sent: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """One message for each event."""
    return [json.dumps(event).encode() for event in sent]


def departure(at: datetime, unit: str, **changes: Any) -> dict[str, Any]:
    """One made-up departure."""
    return {
        "flight_id": unit,
        "carrier": "UA",
        "origin": "EWR",
        "dest": "ORD",
        "tailnum": None,
        "departed_at": at.isoformat(),
        "departure_delay": 5,
    } | changes


def at(hour: int, minute: int = 0, **more: float) -> datetime:
    """A moment of one day, UTC."""
    return datetime(2013, 1, 5, hour, minute, tzinfo=UTC) + timedelta(**more)
