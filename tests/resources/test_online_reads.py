"""Reading the online store while it is written, from event loops, and when its server is away."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resources.online_store import (
    OnlineStore,
    OnlineStoreUnavailable,
    Status,
    ViewRequest,
    online_store,
)
from tests.resources.online_cases import NOON, TICK, read, row
from tests.resources.online_servers import Relay

FEATURES = tuple("abcdefghij")
TIMEOUT = 0.5


@pytest.fixture
def relay(redis: str) -> Iterator[Relay]:
    """A relay to Redis."""
    relay = Relay(redis)
    yield relay
    relay.close()


def request(view: str, *key: str | int, features: tuple[str, ...] = ("temp",)) -> ViewRequest:
    return ViewRequest(view=view, key=key, features=features, ttl=None)


def equal_rows(number: int) -> list[Any]:
    values: dict[str, Any] = dict.fromkeys(FEATURES, number)
    return [row(key, event=NOON + number * TICK, **values) for key in range(20)]


def test_a_reader_never_sees_part_of_a_row_during_a_sync(online_url: str, view: str) -> None:
    writer, reader = online_store(online_url), online_store(online_url)
    writer.write(view, equal_rows(0))

    def sync() -> None:
        for number in range(1, 100):
            writer.write(view, equal_rows(number))

    thread = threading.Thread(target=sync)
    thread.start()
    requests = [request(view, key, features=FEATURES) for key in range(20)]
    seen = [0] * 20
    while thread.is_alive():
        for store in (writer, reader):
            for key, found in enumerate(store.read(requests, NOON)):
                assert set(found.status_by_feature.values()) == {Status.PRESENT}
                (number,) = set(found.values.values())
                assert isinstance(number, int)
                assert seen[key] <= number, "an older row came back"
                seen[key] = number
    thread.join()
    writer.close()
    reader.close()


def test_an_async_read_answers_what_a_read_does(online: OnlineStore, view: str) -> None:
    online.write(view, [row(key, temp=key) for key in range(50)])
    requests = [request(view, key, features=("temp", "wind")) for key in range(60)]

    async def both() -> None:
        assert await online.aread(requests, NOON) == online.read(requests, NOON)
        assert await online.aread([], NOON) == []
        reads = [online.aread(requests[at : at + 3], NOON) for at in range(0, 60, 3)]
        found = [answer for part in await asyncio.gather(*reads) for answer in part]
        assert found == online.read(requests, NOON)

    for _ in range(2):
        asyncio.run(both())


def test_a_cancelled_async_read_leaves_the_next_ones_their_own_answers(
    online: OnlineStore, view: str
) -> None:
    online.write(view, [row(key, temp=key) for key in range(100)])

    async def walk() -> None:
        for key in range(0, 100, 2):
            task = asyncio.create_task(online.aread([request(view, key)], NOON))
            await asyncio.sleep(0)
            task.cancel()
            (found,) = await online.aread([request(view, key + 1)], NOON)
            assert found.values == {"temp": key + 1}

    asyncio.run(walk())


def test_a_request_of_all_views_takes_one_round_trip(relay: Relay, view: str) -> None:
    store = online_store(relay.url)
    views = [view, *(f"{view}_{number}" for number in range(3))]
    for name in views:
        store.write(name, [row(key, temp=key) for key in range(100)])
    one = [request(name, 7) for name in views]
    many = [request(name, key) for key in range(100) for name in views]

    def round_trips(read) -> int:
        before = relay.round_trips
        assert len(read()) in (4, 400)
        return relay.round_trips - before

    async def trips() -> list[int]:
        await store.aread(one, NOON)
        found = []
        for requests in (one, many):
            before = relay.round_trips
            await store.aread(requests, NOON)
            found.append(relay.round_trips - before)
        return found

    store.read(one, NOON)
    assert round_trips(lambda: store.read(one, NOON)) == 1
    assert round_trips(lambda: store.read(many, NOON)) == 1
    assert asyncio.run(trips()) == [1, 1]
    for name in views:
        store.clear(name)
    store.close()


def test_reads_of_one_turn_of_the_loop_share_a_round_trip(relay: Relay, view: str) -> None:
    store = online_store(relay.url)
    store.write(view, [row(key, temp=key) for key in range(20)])

    async def trips() -> int:
        await store.aread([request(view, 0)], NOON)
        before = relay.round_trips
        reads = [store.aread([request(view, key), request(view, 0)], NOON) for key in range(20)]
        found = await asyncio.gather(*reads)
        assert [one.values for one, _ in found] == [{"temp": key} for key in range(20)]
        return relay.round_trips - before

    assert asyncio.run(trips()) == 1
    store.clear(view)
    store.close()


def test_an_answer_follows_the_row_and_the_time_not_the_last_answer(
    online: OnlineStore, view: str
) -> None:
    wanted = ViewRequest(view=view, key=("EWR",), features=("temp",), ttl=2 * TICK)
    for number in range(3):
        online.write(view, [row("EWR", event=NOON + number * TICK, temp=number)])
        for _ in range(2):
            (found,) = online.read([wanted], NOON + number * TICK)
            assert found.values == {"temp": number}
    for late, status in ((2, Status.PRESENT), (3, Status.OUTSIDE_MAX_AGE), (2, Status.PRESENT)):
        (found,) = online.read([wanted], NOON + (2 + late) * TICK)
        assert found.status_by_feature == {"temp": status}


def test_a_silent_redis_is_reported_within_the_timeout(relay: Relay, view: str) -> None:
    store = online_store(relay.url, TIMEOUT)
    store.write(view, [row("EWR", temp=1.0)])

    async def aread() -> None:
        await store.aread([request(view, "EWR")], NOON)
        relay.is_silent = True
        started = time.monotonic()
        reads = [store.aread([request(view, "EWR")], NOON) for _ in range(5)]
        found = await asyncio.gather(*reads, return_exceptions=True)
        assert all(isinstance(one, OnlineStoreUnavailable) for one in found), found
        assert time.monotonic() - started < 2 * TIMEOUT

    asyncio.run(aread())
    started = time.monotonic()
    with pytest.raises(OnlineStoreUnavailable, match="Redis"):
        read(store, view, "EWR")
    assert time.monotonic() - started < 2 * TIMEOUT
    relay.is_silent = False
    relay.hang_up()
    assert read(store, view, "EWR").values == {"temp": 1.0}
    store.close()


def test_a_dropped_connection_is_replaced_within_the_read(relay: Relay, view: str) -> None:
    store = online_store(relay.url, TIMEOUT)

    async def aread() -> list[Any]:
        return [
            found
            for _ in range(3)
            for found in [await store.aread([request(view, "EWR")], NOON)]
            if relay.hang_up() is None
        ]

    for number in range(3):
        assert store.write(view, [row("EWR", temp=number)]) == 1
        relay.hang_up()
        assert read(store, view, "EWR").values == {"temp": number}
        relay.hang_up()
    assert [found.values for (found,) in asyncio.run(aread())] == [{"temp": 2}] * 3
    store.close()


def test_a_redis_that_is_away_is_reported_as_unavailable() -> None:
    store = online_store("redis://127.0.0.1:1/0")
    with pytest.raises(OnlineStoreUnavailable, match="Redis"):
        store.count("flights.weather")
    with pytest.raises(OnlineStoreUnavailable, match="Redis"):
        store.write("flights.weather", [row("EWR", temp=1.0)])
    with pytest.raises(OnlineStoreUnavailable, match="Redis"):
        asyncio.run(store.aread([request("flights.weather", "EWR")], NOON))
    store.close()


def test_a_locked_sqlite_store_is_readable_and_refuses_writes_within_the_timeout(
    tmp_path: Path,
) -> None:
    store = online_store(f"sqlite:///{tmp_path / 'online.sqlite'}", TIMEOUT)
    store.write("flights.weather", [row("EWR", temp=1.0)])
    other = sqlite3.connect(tmp_path / "online.sqlite", isolation_level=None)
    other.execute("begin immediate")
    assert read(store, "flights.weather", "EWR").values == {"temp": 1.0}
    started = time.monotonic()
    with pytest.raises(OnlineStoreUnavailable, match="locked"):
        store.write("flights.weather", [row("EWR", temp=2.0)])
    assert time.monotonic() - started < 4 * TIMEOUT
    other.close()
    assert store.write("flights.weather", [row("EWR", temp=2.0)]) == 1
    store.close()
