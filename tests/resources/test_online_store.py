"""The online store's contract, on SQLite and on a real Redis."""

import math
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.online_store import (
    FeatureValues,
    OnlineRow,
    OnlineStore,
    OnlineStoreUnavailable,
    Status,
    Value,
    ViewRequest,
    online_store,
)
from tests.services import redis_url, unavailable

NOON = datetime(2013, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
REDIS_URL = redis_url()


@pytest.fixture
def view() -> str:
    """A view name of this test alone, since the Redis is shared."""
    return f"flights.weather_{uuid.uuid4().hex}"


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path, view: str) -> Iterator[OnlineStore]:
    """The store on each backend; the Redis one must be there where services are required."""
    is_sqlite = request.param == "sqlite"
    opened = online_store(f"sqlite:///{tmp_path / 'online.sqlite'}" if is_sqlite else REDIS_URL)
    try:
        opened.count(view)
    except OnlineStoreUnavailable as error:
        opened.close()
        unavailable(f"Redis is not reachable at {REDIS_URL}: {error}")
    yield opened
    opened.clear(view)
    opened.close()


def row(
    *key: Value,
    event: datetime = NOON,
    created: datetime = NOON,
    partition: str = "2013-01-05",
    **values: Value,
) -> OnlineRow:
    """An online row; values by feature name."""
    return OnlineRow(
        key=key,
        event_timestamp=event,
        created_timestamp=created,
        partition=partition,
        values=dict(values),
    )


def read(
    store: OnlineStore,
    view: str,
    *key: Value,
    feature: str = "temp",
    at: datetime = NOON,
    ttl: timedelta | None = None,
) -> FeatureValues:
    """One feature of one entity."""
    (found,) = store.read([ViewRequest(view=view, key=key, features=(feature,), ttl=ttl)], at)
    return found


def test_a_written_value_is_present_with_its_time_and_partition(
    store: OnlineStore, view: str
) -> None:
    assert store.write(view, [row("EWR", temp=3.5)]) == 1
    found = read(store, view, "EWR")
    assert found.values == {"temp": 3.5}
    assert found.status_by_feature == {"temp": Status.PRESENT}
    assert (found.event_timestamp, found.partition) == (NOON, "2013-01-05")


def test_an_unknown_entity_is_not_found(store: OnlineStore, view: str) -> None:
    found = read(store, view, "XXX")
    assert found.values == {"temp": None}
    assert found.status_by_feature == {"temp": Status.NOT_FOUND}
    assert (found.event_timestamp, found.partition) == (None, None)


def test_a_null_in_a_key_is_neither_written_nor_found(store: OnlineStore, view: str) -> None:
    assert store.write(view, [row("EWR", None, temp=1.0)]) == 0
    assert store.count(view) == 0
    assert read(store, view, "EWR", None).status_by_feature == {"temp": Status.NOT_FOUND}


@pytest.mark.parametrize("value", [None, math.nan])
def test_null_nan_and_an_absent_feature_are_null(
    store: OnlineStore, view: str, value: float | None
) -> None:
    store.write(view, [row("EWR", temp=value)])
    for feature in ("temp", "added_later"):
        found = read(store, view, "EWR", feature=feature)
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
    store: OnlineStore, view: str, age: timedelta, ttl: timedelta | None, status: Status
) -> None:
    store.write(view, [row("EWR", event=NOON - age, temp=1.0)])
    found = read(store, view, "EWR", ttl=ttl)
    assert found.status_by_feature == {"temp": status}
    assert found.values == {"temp": 1.0 if status is Status.PRESENT else None}
    assert found.event_timestamp == NOON - age


def test_an_older_row_never_replaces_a_newer_one(store: OnlineStore, view: str) -> None:
    store.write(view, [row("EWR", event=NOON, created=NOON, temp=1.0)])
    older_event = row("EWR", event=NOON - TICK, created=NOON + HOUR, temp=2.0)
    older_write = row("EWR", event=NOON, created=NOON - TICK, temp=3.0)
    assert store.write(view, [older_event, older_write]) == 0
    assert read(store, view, "EWR").values == {"temp": 1.0}


def test_a_later_or_equal_row_replaces_the_one_before(store: OnlineStore, view: str) -> None:
    store.write(view, [row("EWR", temp=1.0)])
    assert store.write(view, [row("EWR", temp=2.0)]) == 1
    assert read(store, view, "EWR").values == {"temp": 2.0}
    assert store.write(view, [row("EWR", created=NOON + TICK, temp=3.0)]) == 1
    assert store.write(view, [row("EWR", event=NOON + TICK, created=NOON, temp=4.0)]) == 1
    assert read(store, view, "EWR").values == {"temp": 4.0}


def test_times_before_1970_are_in_order(store: OnlineStore, view: str) -> None:
    store.write(view, [row("EWR", event=datetime(1970, 1, 2, tzinfo=UTC), temp=1.0)])
    assert store.write(view, [row("EWR", event=datetime(1960, 1, 1, tzinfo=UTC), temp=2.0)]) == 0


def test_keys_are_never_confused(store: OnlineStore, view: str) -> None:
    keys: list[tuple[Value, ...]] = [
        ("a", "bc"), ("ab", "c"), ("abc",), ("1",), (1,), (True,), (1.0,), ("a,b",), ("a", "b"),
        ("",),
    ]  # fmt: skip
    store.write(view, [row(*key, temp=number) for number, key in enumerate(keys)])
    assert store.count(view) == len(keys)
    assert [read(store, view, *key).values["temp"] for key in keys] == list(range(len(keys)))


def test_one_read_answers_many_views_in_order(store: OnlineStore, view: str) -> None:
    other = f"{view}_other"
    store.write(view, [row("EWR", temp=1.0)])
    store.write(other, [row("UA", 7, delay=2)])
    requests = [
        ViewRequest(view=other, key=("UA", 7), features=("delay",), ttl=None),
        ViewRequest(view=view, key=("JFK",), features=("temp",), ttl=None),
        ViewRequest(view=view, key=("EWR",), features=("temp", "wind"), ttl=HOUR),
    ]
    found = store.read(requests, NOON)
    assert [answer.values for answer in found] == [
        {"delay": 2},
        {"temp": None},
        {"temp": 1.0, "wind": None},
    ]
    assert store.read([], NOON) == []
    store.clear(other)


def test_deleting_and_clearing_forget_entities(store: OnlineStore, view: str) -> None:
    store.write(view, [row("EWR", temp=1.0), row("JFK", temp=2.0), row("LGA", temp=3.0)])
    assert store.delete(view, [("EWR",), ("XXX",)]) == 1
    assert store.delete(view, []) == 0
    assert read(store, view, "EWR").status_by_feature == {"temp": Status.NOT_FOUND}
    assert store.count(view) == 2
    store.clear(view)
    assert store.count(view) == 0


def test_more_rows_than_one_batch_are_all_written(store: OnlineStore, view: str) -> None:
    assert store.write(view, (row(number, temp=number) for number in range(2500))) == 2500
    assert store.write(view, []) == 0
    assert read(store, view, 2499).values == {"temp": 2499}


def test_a_time_without_zone_is_refused(store: OnlineStore, view: str) -> None:
    naive = datetime(2013, 1, 5)  # noqa: DTZ001
    with pytest.raises(ValueError, match="no time zone"):
        store.write(view, [row("EWR", event=naive, temp=1.0)])
    store.write(view, [row("EWR", temp=1.0)])
    with pytest.raises(ValueError, match="no time zone"):
        read(store, view, "EWR", at=naive, ttl=HOUR)


@given(
    value=st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
        st.text(st.characters(exclude_categories=["Cs"])),
    )
)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_values_keep_their_type_and_every_bit(store: OnlineStore, view: str, value: Value) -> None:
    store.write(view, [row("EWR", temp=value)])
    found = read(store, view, "EWR").values["temp"]
    assert found == value
    assert type(found) is type(value)


def test_a_view_is_readable_while_it_is_written(store: OnlineStore, view: str) -> None:
    store.write(view, [row("EWR", temp=0)])

    def write_many() -> None:
        for number in range(1, 200):
            store.write(view, [row("EWR", event=NOON + number * TICK, temp=number)])

    writer = threading.Thread(target=write_many)
    writer.start()
    seen = [0]
    while writer.is_alive():
        seen.append(int(read(store, view, "EWR").values["temp"] or 0))
    writer.join()
    assert seen == sorted(seen)
    assert read(store, view, "EWR").values == {"temp": 199}


def test_two_processes_share_a_sqlite_store(tmp_path: Path) -> None:
    first = online_store(f"sqlite:///{tmp_path / 'online.sqlite'}")
    second = online_store(f"sqlite:///{tmp_path / 'online.sqlite'}")
    first.write("flights.weather", [row("EWR", temp=1.0)])
    assert read(second, "flights.weather", "EWR").values == {"temp": 1.0}
    first.close()
    second.close()


def test_a_redis_that_is_away_is_reported_as_unavailable() -> None:
    store = online_store("redis://127.0.0.1:1/0")
    with pytest.raises(OnlineStoreUnavailable, match="Redis"):
        store.count("flights.weather")
    store.close()


def test_an_unknown_url_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="sqlite:///PATH or redis://"):
        online_store("mysql://host/db")
