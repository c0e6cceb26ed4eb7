"""The contract of event streams, on both backends."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import redis

from resources.event_stream import EventStream, EventStreamUnavailable, Message, event_stream
from tests.services import own_redis, redis_url, unavailable

GROUP = "features"


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'stream.sqlite'}"
    try:
        redis.Redis.from_url(redis_url()).ping()
    except redis.ConnectionError as error:
        unavailable(f"Redis is not reachable at {redis_url()}: {error}")
    return redis_url()


@pytest.fixture
def events(url: str) -> Iterator[EventStream]:
    opened = event_stream(url)
    yield opened
    opened.close()


@pytest.fixture
def name(url: str) -> Iterator[str]:
    name = f"test.{uuid4().hex}"
    yield name
    if url.startswith("redis"):
        key = f"mlplat:stream:{{{name}}}"
        redis.Redis.from_url(url).delete(key, f"{key}:counts")


def bodies(messages: list[Message]) -> list[bytes]:
    return [message.body for message in messages]


def read(events: EventStream, name: str, consumer: str = "one", count: int = 10) -> list[Message]:
    return events.read(name, GROUP, consumer, count=count, wait_seconds=0.01)


def acknowledge(events: EventStream, name: str, messages: list[Message]) -> None:
    events.acknowledge(name, GROUP, [m.id for m in messages], add={}, put={})


def own(events: EventStream, name: str, consumer: str = "one", after: str = "0") -> list[Message]:
    return events.unacknowledged(name, GROUP, consumer, after=after, count=10)


def test_messages_are_read_in_order_and_once(events: EventStream, name: str) -> None:
    events.join(name, GROUP)
    events.append(name, [b"1", b"2"])
    events.append(name, [b"\x00\xff"])
    assert bodies(read(events, name, count=2)) == [b"1", b"2"]
    assert bodies(read(events, name, "two")) == [b"\x00\xff"]
    assert read(events, name) == []


def test_a_group_that_joins_late_reads_from_the_beginning(events: EventStream, name: str) -> None:
    events.append(name, [b"1"])
    events.join(name, GROUP)
    assert bodies(read(events, name)) == [b"1"]
    events.join(name, GROUP)
    assert read(events, name) == []


def test_unacknowledged_messages_are_given_again_in_order(events: EventStream, name: str) -> None:
    events.join(name, GROUP)
    events.append(name, [b"1", b"2", b"3"])
    given = read(events, name)
    acknowledge(events, name, given[1:2])
    assert bodies(own(events, name)) == [b"1", b"3"]
    assert bodies(own(events, name, after=given[0].id)) == [b"3"]


def test_what_a_dead_consumer_left_is_taken_over(events: EventStream, name: str, url: str) -> None:
    events.join(name, GROUP)
    events.append(name, [b"%d" % number for number in range(5)])
    acknowledge(events, name, read(events, name, "dead", count=1))
    read(events, name, "dead", count=2)
    read(events, name, "alive", count=1)
    other = event_stream(url)
    assert other.take_over(name, GROUP, "alive") == 2
    assert bodies(own(other, name, "alive")) == [b"1", b"2", b"3"]
    assert own(other, name, "dead") == []
    assert other.take_over(name, GROUP, "alive") == 0
    other.close()


def test_many_messages_are_taken_over(events: EventStream, name: str) -> None:
    events.join(name, GROUP)
    events.append(name, [b"x"] * 2500)
    read(events, name, "dead", count=2500)
    assert events.take_over(name, GROUP, "alive") == 2500
    assert len(events.unacknowledged(name, GROUP, "alive", after="0", count=3000)) == 2500


def test_only_what_every_group_has_acknowledged_is_trimmed(events: EventStream, name: str) -> None:
    events.join(name, GROUP)
    events.join(name, "slow")
    events.append(name, [b"1", b"2", b"3"])
    acknowledge(events, name, read(events, name))
    events.trim(name)
    slow = events.read(name, "slow", "s", count=2, wait_seconds=0.01)
    assert bodies(slow) == [b"1", b"2"]
    events.acknowledge(name, "slow", [slow[0].id], add={}, put={})
    events.trim(name)
    events.join(name, "new")
    kept = events.read(name, "new", "n", count=9, wait_seconds=0.01)
    assert bodies(kept) == [b"2", b"3"]


def test_a_stream_that_nobody_reads_is_not_trimmed(events: EventStream, name: str) -> None:
    events.append(name, [b"1"])
    events.trim(name)
    events.join(name, GROUP)
    assert bodies(read(events, name)) == [b"1"]


def test_lag_counts_unread_and_unacknowledged(events: EventStream, name: str) -> None:
    assert events.lag(name, GROUP) == 0
    events.append(name, [b"1", b"2", b"3"])
    assert events.lag(name, GROUP) == 3
    events.join(name, GROUP)
    given = read(events, name, count=2)
    assert events.lag(name, GROUP) == 3
    acknowledge(events, name, given)
    events.trim(name)
    assert events.lag(name, GROUP) == 1


def test_counts_add_up_and_marks_are_set(events: EventStream, name: str) -> None:
    events.join(name, GROUP)
    events.append(name, [b"1", b"2"])
    for number in (3, 4):
        events.acknowledge(name, GROUP, [], add={"late": number}, put={"newest": number})
    assert events.counts(name) == {"pushed": 2, "late": 7, "newest": 4}


def test_streams_are_apart(events: EventStream, name: str) -> None:
    events.join(name, GROUP)
    events.append(f"{name}.other", [b"1"])
    assert read(events, name) == []
    assert events.counts(name) == {}
    acknowledge(events, f"{name}.other", [])


def test_a_stream_that_the_server_lost_begins_anew(
    events: EventStream, name: str, url: str
) -> None:
    if not url.startswith("redis"):
        return
    events.join(name, GROUP)
    redis.Redis.from_url(url).delete(f"mlplat:stream:{{{name}}}")
    assert read(events, name) == []
    events.append(name, [b"1"])
    assert bodies(read(events, name)) == [b"1"]


def test_a_backend_that_is_away_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(EventStreamUnavailable):
        event_stream("redis://127.0.0.1:1/0").append("a.b", [b"1"])
    (tmp_path / "folder.sqlite").mkdir()
    with pytest.raises(EventStreamUnavailable):
        event_stream(f"sqlite:///{tmp_path / 'folder.sqlite'}")


def test_a_redis_without_room_is_the_same_error_and_takes_nothing(tmp_path: Path) -> None:
    with own_redis(tmp_path, "--maxmemory-policy", "noeviction") as url:
        events = event_stream(url)
        with redis.Redis.from_url(url) as client:
            client.config_set("maxmemory", "1")
            with pytest.raises(EventStreamUnavailable, match="maxmemory"):
                events.append("a.b", [b"1", b"2"])
            client.config_set("maxmemory", "0")
            assert client.dbsize() == 0
        events.append("a.b", [b"1", b"2"])
        events.close()


def test_another_scheme_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match="use sqlite:///PATH or redis://HOST:PORT/DB"):
        event_stream("kafka://localhost")
