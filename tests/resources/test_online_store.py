"""The online store's contract, on SQLite and on a real Redis."""

import math
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis

from resources.online_store import (
    KeyValue,
    OnlineStore,
    Status,
    SyncedPartition,
    ViewRequest,
    online_store,
)
from tests.resources.online_cases import HOUR, NOON, TICK, correction, read, row


def test_a_written_value_is_present_with_its_time_and_partition(
    online: OnlineStore, view: str
) -> None:
    assert online.write(view, [row("EWR", temp=3.5)]) == 1
    found = read(online, view, "EWR")
    assert found.values == {"temp": 3.5}
    assert found.status_by_feature == {"temp": Status.PRESENT}
    assert (found.event_timestamp, found.partition) == (NOON, "2013-01-05")


def test_an_unknown_entity_is_not_found(online: OnlineStore, view: str) -> None:
    found = read(online, view, "XXX")
    assert found.values == {"temp": None}
    assert found.status_by_feature == {"temp": Status.NOT_FOUND}
    assert (found.event_timestamp, found.partition) == (None, None)


def test_a_null_in_a_key_is_neither_written_nor_found(online: OnlineStore, view: str) -> None:
    assert online.write(view, [row("EWR", None, temp=1.0)]) == 0
    assert online.count(view) == 0
    assert read(online, view, "EWR", None).status_by_feature == {"temp": Status.NOT_FOUND}


@pytest.mark.parametrize("value", [None, math.nan])
def test_null_nan_and_an_absent_feature_are_null(
    online: OnlineStore, view: str, value: float | None
) -> None:
    online.write(view, [row("EWR", temp=value)])
    for feature in ("temp", "added_later"):
        found = read(online, view, "EWR", feature=feature)
        assert found.values == {feature: None}
        assert found.status_by_feature == {feature: Status.NULL}


@pytest.mark.parametrize(
    ("age", "ttl", "status"),
    [
        (timedelta(0), HOUR, Status.PRESENT),
        (HOUR, HOUR, Status.PRESENT),
        (HOUR + TICK, HOUR, Status.OUTSIDE_MAX_AGE),
        (1000 * HOUR, None, Status.PRESENT),
        (1000 * HOUR, timedelta(0), Status.PRESENT),
        (-HOUR, HOUR, Status.PRESENT),
    ],
)
def test_age_is_bounded_inclusively_by_the_ttl(
    online: OnlineStore, view: str, age: timedelta, ttl: timedelta | None, status: Status
) -> None:
    online.write(view, [row("EWR", event=NOON - age, temp=1.0)])
    found = read(online, view, "EWR", ttl=ttl)
    assert found.status_by_feature == {"temp": status}
    assert found.values == {"temp": 1.0 if status is Status.PRESENT else None}
    assert found.event_timestamp == NOON - age


def test_an_older_row_never_replaces_a_newer_one(online: OnlineStore, view: str) -> None:
    online.write(view, [row("EWR", event=NOON, created=NOON, temp=1.0)])
    older_event = row("EWR", event=NOON - TICK, created=NOON + HOUR, temp=2.0)
    older_write = row("EWR", event=NOON, created=NOON - TICK, temp=3.0)
    assert online.write(view, [older_event, older_write]) == 0
    assert read(online, view, "EWR").values == {"temp": 1.0}


def test_a_later_or_equal_row_replaces_the_one_before(online: OnlineStore, view: str) -> None:
    online.write(view, [row("EWR", temp=1.0)])
    assert online.write(view, [row("EWR", temp=2.0)]) == 1
    assert read(online, view, "EWR").values == {"temp": 2.0}
    assert online.write(view, [row("EWR", created=NOON + TICK, temp=3.0)]) == 1
    assert online.write(view, [row("EWR", event=NOON + TICK, created=NOON, temp=4.0)]) == 1
    assert read(online, view, "EWR").values == {"temp": 4.0}


def test_times_before_1970_are_in_order(online: OnlineStore, view: str) -> None:
    online.write(view, [row("EWR", event=datetime(1970, 1, 2, tzinfo=UTC), temp=1.0)])
    assert online.write(view, [row("EWR", event=datetime(1960, 1, 1, tzinfo=UTC), temp=2.0)]) == 0


def test_keys_are_never_confused(online: OnlineStore, view: str) -> None:
    keys: list[tuple[KeyValue, ...]] = [
        ("a", "bc"), ("ab", "c"), ("abc",), ("1",), (1,), (True,), (1.0,), ("a,b",), ("a", "b"),
        ("",),
    ]  # fmt: skip
    online.write(view, [row(*key, temp=number) for number, key in enumerate(keys)])
    assert online.count(view) == len(keys)
    assert [read(online, view, *key).values["temp"] for key in keys] == list(range(len(keys)))


def test_one_read_answers_many_views_in_order(online: OnlineStore, view: str) -> None:
    other = f"{view}_other"
    online.write(view, [row("EWR", temp=1.0)])
    online.write(other, [row("UA", 7, delay=2)])
    requests = [
        ViewRequest(view=other, key=("UA", 7), features=("delay",), ttl=None),
        ViewRequest(view=view, key=("JFK",), features=("temp",), ttl=None),
        ViewRequest(view=view, key=("EWR",), features=("temp", "wind"), ttl=HOUR),
    ]
    found = online.read(requests, NOON)
    assert [answer.values for answer in found] == [
        {"delay": 2},
        {"temp": None},
        {"temp": 1.0, "wind": None},
    ]
    assert online.read([], NOON) == []
    online.clear(other)


def test_deleting_and_clearing_forget_entities(online: OnlineStore, view: str) -> None:
    online.write(view, [row("EWR", temp=1.0), row("JFK", temp=2.0), row("LGA", temp=3.0)])
    assert online.delete(view, [("EWR",), ("XXX",)]) == 1
    assert online.delete(view, []) == 0
    assert read(online, view, "EWR").status_by_feature == {"temp": Status.NOT_FOUND}
    assert online.count(view) == 2
    online.clear(view)
    assert online.count(view) == 0


def test_more_rows_than_one_batch_are_all_written(online: OnlineStore, view: str) -> None:
    assert online.write(view, (row(number, temp=number) for number in range(2500))) == 2500
    assert online.write(view, []) == 0
    assert read(online, view, 2499).values == {"temp": 2499}


def test_a_time_without_zone_is_refused(online: OnlineStore, view: str) -> None:
    naive = datetime(2013, 1, 5)  # noqa: DTZ001
    with pytest.raises(ValueError, match="no time zone"):
        online.write(view, [row("EWR", event=naive, temp=1.0)])
    online.write(view, [row("EWR", temp=1.0)])
    with pytest.raises(ValueError, match="no time zone"):
        read(online, view, "EWR", at=naive, ttl=HOUR)


def test_correcting_puts_an_older_row_in_the_place_of_the_one_it_names(
    online: OnlineStore, view: str
) -> None:
    online.write(view, [row("EWR", temp=2.0), row("JFK", temp=2.0), row("LGA", temp=2.0)])
    older = row("EWR", event=NOON - HOUR, partition="2013-01-04", temp=1.0)
    changes = [correction("EWR", row=older), correction("JFK", row=None)]
    assert online.replace(view, changes) == 2
    found = read(online, view, "EWR")
    assert (found.values, found.event_timestamp) == ({"temp": 1.0}, NOON - HOUR)
    assert found.partition == "2013-01-04"
    assert read(online, view, "JFK").status_by_feature == {"temp": Status.NOT_FOUND}
    assert read(online, view, "LGA").values == {"temp": 2.0}


def test_correcting_a_row_that_is_no_longer_held_never_loses_the_newer_one(
    online: OnlineStore, view: str
) -> None:
    online.write(view, [row("EWR", event=NOON + TICK, temp=3.0)])
    older = row("EWR", event=NOON - HOUR, temp=1.0)
    assert online.replace(view, [correction("EWR", row=older), correction("EWR", row=None)]) == 0
    assert read(online, view, "EWR").values == {"temp": 3.0}
    newer = row("EWR", event=NOON + HOUR, temp=4.0)
    assert online.replace(view, [correction("EWR", row=newer)]) == 1
    assert read(online, view, "EWR").values == {"temp": 4.0}
    created_later = correction("EWR", event=NOON + HOUR, created=NOON + TICK, row=None)
    assert online.replace(view, [created_later]) == 0


def test_correcting_a_key_that_is_not_held_is_a_plain_write(online: OnlineStore, view: str) -> None:
    assert (
        online.replace(view, [correction("EWR", row=None), correction("JFK", None, row=None)]) == 0
    )
    assert online.replace(view, [correction("EWR", row=row("EWR", temp=1.0))]) == 1
    assert read(online, view, "EWR").values == {"temp": 1.0}


def test_keys_are_listed_once_each_whatever_their_number(online: OnlineStore, view: str) -> None:
    assert list(online.keys(view)) == []
    held = [("UA", number, number % 2 == 0) for number in range(2500)]
    online.write(view, [row(*key, temp=1.0) for key in held])
    online.mark_synced(view, {date(2013, 1, 5): SyncedPartition(digest="a", snapshot=1)})
    found = list(online.keys(view))
    assert len(found) == online.count(view) == 2500
    assert set(found) == set(held)


def test_the_sync_state_is_kept_by_partition_until_the_view_is_cleared(
    online: OnlineStore, view: str
) -> None:
    first, second = SyncedPartition(digest="a", snapshot=7), SyncedPartition(digest="b", snapshot=8)
    assert online.synced(view) == {}
    online.mark_synced(view, {})
    online.mark_synced(view, {date(2013, 1, 5): first, date(2013, 1, 6): first})
    online.mark_synced(view, {date(2013, 1, 6): second})
    assert online.synced(view) == {date(2013, 1, 5): first, date(2013, 1, 6): second}
    assert online.count(view) == 0
    online.write(view, [row("EWR", temp=1.0)])
    online.delete(view, [("EWR",)])
    assert online.synced(view) == {date(2013, 1, 5): first, date(2013, 1, 6): second}
    online.clear(view)
    assert online.synced(view) == {}


def test_losing_the_rows_in_redis_loses_the_sync_state(redis: str, view: str) -> None:
    store = online_store(redis)
    state = SyncedPartition(digest="a", snapshot=7)
    store.write(view, [row("EWR", temp=1.0)])
    store.mark_synced(view, {date(2013, 1, 5): state})
    client = Redis.from_url(redis)
    client.delete(f"mlplat:online:{view}")
    client.close()
    assert store.synced(view) == {}
    store.write(view, [row("EWR", temp=1.0)])
    assert store.synced(view) == {}
    store.mark_synced(view, {date(2013, 1, 6): state})
    assert store.synced(view) == {date(2013, 1, 6): state}
    assert read(store, view, "EWR").values == {"temp": 1.0}
    store.close()


def test_two_processes_share_a_sqlite_store(tmp_path: Path) -> None:
    first = online_store(f"sqlite:///{tmp_path / 'online.sqlite'}")
    second = online_store(f"sqlite:///{tmp_path / 'online.sqlite'}")
    first.write("flights.weather", [row("EWR", temp=1.0)])
    assert read(second, "flights.weather", "EWR").values == {"temp": 1.0}
    first.close()
    second.close()


def test_an_unknown_url_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="sqlite:///PATH or redis://"):
        online_store("mysql://host/db")
