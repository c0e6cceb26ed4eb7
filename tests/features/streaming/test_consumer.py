"""A consumer of real streams: what it writes online and lands, through restarts and outages."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from mlplat_assets.features.streaming.consumer import GROUP, Stores, StreamConsumer
from mlplat_assets.features.streaming.landing import Batch, land, landed
from mlplat_assets.features.streaming.sources import aggregates_of
from resources.event_stream import EventStream, event_stream
from resources.lake import VERSIONS, Lake, lake_from
from resources.lake_digests import PartitionVersion
from resources.online_store import FeatureValues, OnlineStore, ViewRequest, online_store
from resources.settings import Settings, from_environment
from tests.features.naive_aggregates import naive_rows
from tests.features.streaming.live_departures import (
    RAW_TABLE,
    SOURCE,
    VIEW,
    VIEW_TABLE,
    at,
    departure,
    messages,
    source,
)

END = datetime(2013, 1, 6, tzinfo=UTC)
DAY = date(2013, 1, 5)


class Place:
    """The stores of a home, and consumers that replay what was pushed to it."""

    def __init__(self, home: Path) -> None:
        self.settings: Settings = from_environment({"MLPLAT_HOME": str(home)})
        self.stream: EventStream = event_stream(self.settings.stream_url)
        self.lake: Lake = lake_from(self.settings)
        self.online: OnlineStore = online_store(self.settings.online_url)
        self.reported: list[tuple[list[PartitionVersion], set[int]]] = []

    def push(self, *events: dict[str, Any]) -> None:
        self.stream.append(SOURCE, messages(events))

    def consume(self, name: str = "one", until: datetime = END) -> None:
        """Run a consumer whose clock says `until` up to the end of the stream."""
        consumer = self.consumer(name, until)
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(consumer.run)
            while not running.done() and self.stream.lag(SOURCE, GROUP):
                threading.Event().wait(0.02)
            consumer.stopping.set()
            running.result()

    def consumer(self, name: str, until: datetime) -> StreamConsumer:
        return StreamConsumer(
            source(),
            Stores(stream=self.stream, lake=self.lake, online=self.online),
            name=name,
            clock=lambda: until,
            on_landed=lambda versions, late: self.reported.append((versions, late)),
        )

    def raw(self) -> list[dict[str, Any]]:
        return self.lake.read(f"select * from {RAW_TABLE} order by departed_at").to_pylist()

    def rows(self) -> list[dict[str, Any]]:
        ordered = f"select * from {VIEW_TABLE} order by origin, event_timestamp"
        return self.lake.read(ordered).to_pylist()

    def expected(self) -> list[dict[str, Any]]:
        """The view of what has landed, by the naive definition."""
        view = source().views[0]
        found = naive_rows(aggregates_of(view), ("origin",), self.raw())
        return [row for row in found if row["event_timestamp"] <= END.replace(tzinfo=None)]

    def held(self, origin: str = "EWR") -> FeatureValues:
        view = source().views[0].spec
        names = tuple(feature.name for feature in view.features)
        asked = ViewRequest(view=VIEW, key=(origin,), features=names, ttl=None)
        return self.online.read([asked], END)[0]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.stream.close()
    made.online.close()
    made.lake.close()


def test_rows_land_once_and_the_view_is_the_naive_one(place: Place) -> None:
    place.push(departure(at(10), "a"), departure(at(10, 20), "b", departure_delay=40))
    place.push(departure(at(10, 20), "b"), departure(at(9, 50), "c", origin="JFK"))
    place.consume()
    assert [row["flight_id"] for row in place.raw()] == ["c", "a", "b"]
    assert place.rows() == place.expected()
    assert place.stream.lag(SOURCE, GROUP) == 0
    counts = place.stream.counts(SOURCE)
    assert counts.pop("newest_event") == at(10, 20).timestamp() * 1e6
    assert counts == {"pushed": 4, "applied": 3, "duplicate": 1, "late": 0, "refused": 0}


def test_the_online_row_is_the_last_row_of_the_lake(place: Place) -> None:
    place.push(departure(at(10), "a"), departure(at(10, 20), "b", departure_delay=40))
    place.consume(until=at(10, 31))
    last, held = place.rows()[-1], place.held()
    assert held.event_timestamp == at(10, 30) == last["event_timestamp"].replace(tzinfo=UTC)
    assert held.values == {name: last[name] for name in held.values}
    assert held.values["departures_1h"] == 2


def test_a_row_is_online_before_the_clock_passes_a_hop(place: Place) -> None:
    place.push(departure(at(10, 20), "a"))
    place.consume(until=at(10, 21))
    held = place.held()
    assert held.event_timestamp == at(10, 20, microseconds=1)
    assert held.values["departures_1h"] == 1


def test_a_restart_goes_on_as_if_nothing_had_happened(place: Place) -> None:
    for number in range(6):
        place.push(departure(at(10 + number, 7), f"u{number}", departure_delay=10 * number))
        place.push(departure(at(9 + number, 30), f"late{number}", departure_delay=3))
        place.consume(f"life-{number}", until=at(10 + number, 8))
    place.consume()
    assert len(place.raw()) == 12
    assert place.stream.counts(SOURCE)["late"] == 0
    assert place.rows() == place.expected()


def test_what_landed_but_was_not_acknowledged_changes_nothing(place: Place) -> None:
    place.stream.join(SOURCE, GROUP)
    place.push(departure(at(10), "a"), departure(at(10, 20), "b"))
    given = place.stream.read(SOURCE, GROUP, "dead", count=10, wait_seconds=0.1)
    state = source().state()
    applied = state.apply(source().decode(b"[" + given[0].body + b"]", END))
    batch = Batch(fresh=applied.fresh)
    batch.add_rows(applied.rows)
    land(place.lake, source(), batch, "dead")
    place.consume("alive")
    assert len(place.raw()) == 2
    assert place.rows() == place.expected()
    assert place.stream.lag(SOURCE, GROUP) == 0


def test_a_death_between_landing_and_recording_is_made_up_for(place: Place) -> None:
    place.stream.join(SOURCE, GROUP)
    place.push(departure(at(10), "a"))
    given = place.stream.read(SOURCE, GROUP, "dead", count=10, wait_seconds=0.1)
    applied = source().state().apply(source().decode(b"[" + given[0].body + b"]", END))
    batch = Batch(fresh=applied.fresh)
    batch.add_rows(applied.rows)
    land(place.lake, source(), batch, "dead")
    with place.lake.write() as connection:
        connection.execute(f"delete from {VERSIONS}")
    place.consume("alive")
    recorded = place.lake.read(f"select distinct table_name as name from {VERSIONS}")
    assert set(recorded["name"].to_pylist()) == {RAW_TABLE, VIEW_TABLE}


def test_what_cannot_land_is_not_acknowledged_and_lands_later(place: Place) -> None:
    with place.lake.write() as connection:
        connection.execute("create schema if not exists features")
        connection.execute(f"create table {VIEW_TABLE} as select 1 as other")
    place.push(departure(at(10), "a"))
    consumer = place.consumer("stopped", END)
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(consumer.run)
        while place.held().event is None and not running.done():
            threading.Event().wait(0.02)
        consumer.stopping.set()
        running.result()
    assert place.stream.lag(SOURCE, GROUP) == 1
    with place.lake.write() as connection:
        connection.execute(f"drop table {VIEW_TABLE}")
    place.consume("next")
    assert place.stream.lag(SOURCE, GROUP) == 0
    assert [row["flight_id"] for row in place.raw()] == ["a"]
    assert place.rows() == place.expected()


def test_landing_a_batch_again_changes_no_digest(place: Place) -> None:
    applied = (
        source()
        .state()
        .apply(source().decode(b"[" + b",".join(messages([departure(at(10), "a")])) + b"]", END))
    )
    batch = Batch(fresh=applied.fresh)
    batch.add_rows(applied.rows)
    assert any(v.changed for v in land(place.lake, source(), batch, "first"))
    assert not any(v.changed for v in land(place.lake, source(), batch, "again"))
    assert landed(place.lake, source()) == [
        row._replace(columns={**row.columns, "departed_at": at(10).replace(tzinfo=None)})
        for row in applied.fresh
    ]


def test_a_late_row_lands_is_counted_and_its_days_are_left_to_the_batch_run(place: Place) -> None:
    place.push(departure(at(20), "a"), departure(at(10), "late"))
    place.consume()
    assert {row["flight_id"] for row in place.raw()} == {"a", "late"}
    assert place.stream.counts(SOURCE)["late"] == 1
    assert {ts for _, late in place.reported for ts in late} == {int(at(10).timestamp() * 1e6)}


def test_a_message_that_is_no_row_is_kept_aside_and_stops_nothing(place: Place) -> None:
    place.push(departure(at(10), "a"))
    place.stream.append(SOURCE, [b"{", b'{"flight_id": "x"}'])
    place.push(departure(at(10, 1), "b", departure_delay="late"), departure(at(10, 2), "c"))
    place.consume()
    assert [row["flight_id"] for row in place.raw()] == ["a", "c"]
    assert place.stream.counts(SOURCE)["refused"] == 3
    assert place.stream.lag(f"{SOURCE}.refused", GROUP) == 3
    assert place.stream.lag(SOURCE, GROUP) == 0


def test_a_row_without_its_entity_lands_and_feeds_no_view(place: Place) -> None:
    place.push(departure(at(10), "a", origin=None))
    place.consume()
    assert [row["flight_id"] for row in place.raw()] == ["a"]
    assert place.rows() == []
