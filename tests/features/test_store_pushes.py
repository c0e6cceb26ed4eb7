"""Pushed rows and online reads: everything is checked first, nothing is written by half."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from mlplat_assets.features.pushing import Destination
from mlplat_assets.features.store import FeatureStore
from resources.online_sqlite import SqliteOnlineStore
from resources.online_store import (
    FeatureValues,
    OnlineStoreUnavailable,
    Status,
    ViewRequest,
    online_store,
)
from tests.features.small_frames import MICROSECOND, refusal
from tests.features.small_store import HOUR, NOW, Shop, declared, shop_at

BOUGHT = NOW - HOUR
BASKET = declared(
    "basket", {"shop": "string", "user": "int"}, {"total": "float", "items": "int"}, ttl=24 * HOUR
)
USER = declared("user", {"user": "int"}, {"segment": "string", "total": "float"})
SLOW = declared("slow", {"user": "int"}, {"score": "float"}, landing_delay=2 * HOUR)
KEPT = declared("kept", {"user": "int"}, {"score": "float"}, online=False)
EVERY = declared(
    "every", {"user": "int"},
    {"a": "float", "b": "float32", "c": "int", "d": "bool", "e": "string", "f": "bytes",
     "g": "timestamp", "h": "list[float]", "i": "list[int]", "j": "list[string]"},
)  # fmt: skip
TABLE = "features.shop__basket"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with shop_at(tmp_path) as shop:
        yield shop


@pytest.fixture
def store(shop: Shop) -> FeatureStore:
    return shop.store(BASKET, USER, SLOW, KEPT, EVERY)


def baskets(*rows: tuple[object, ...], **changed: object) -> pa.Table:
    """Rows (shop, user, event, total, items); a column may be replaced, or left out by None."""
    names = ("shop", "user", "event_timestamp", "total", "items")
    types = (pa.string(), pa.int64(), pa.timestamp("us", "UTC"), pa.float64(), pa.int64())
    columns: dict[str, Any] = {
        name: pa.array([row[i] for row in rows], types[i]) for i, name in enumerate(names)
    } | changed
    return pa.table({name: values for name, values in columns.items() if values is not None})


def online(store: FeatureStore, shop: str = "a", user: int = 1) -> dict[str, Any]:
    return store.get_online_features([{"shop": shop, "user": user}], "shop.basket").rows[0]


def offline(store: FeatureStore, at: datetime = NOW) -> list[float | None]:
    asked = pl.DataFrame({"shop": ["a"], "user": [1], "event_timestamp": [at]})
    return store.get_historical_features(asked, "shop.basket:total")["total"].to_pylist()


@pytest.mark.parametrize("to", ["online", "offline", "both"])
def test_a_push_reaches_what_it_names_and_nothing_else(
    shop: Shop, store: FeatureStore, to: Destination
) -> None:
    pushed = store.push("shop.basket", baskets(("a", 1, BOUGHT, 9.5, 2)), to=to)
    assert pushed.rows == 1
    assert pushed.online == (to != "offline")
    assert pushed.partitions == ((NOW.date(),) if to != "online" else ())
    assert online(store)["total"] == (9.5 if to != "offline" else None)
    assert shop.lake.has(TABLE) == (to != "online")
    if to != "online":
        assert offline(store) == [9.5]
        recorded = shop.lake.read(
            "select partition_day, row_count, digest from lineage.partition_versions"
        ).to_pylist()
        assert [(one["partition_day"], one["row_count"]) for one in recorded] == [(NOW.date(), 1)]


def test_pushing_twice_is_pushing_once_and_the_last_of_equal_rows_counts(
    shop: Shop, store: FeatureStore
) -> None:
    created = pa.array([NOW] * 2, pa.timestamp("us", "UTC"))
    rows = baskets(("a", 1, BOUGHT, 1.0, 1), ("a", 1, BOUGHT, 2.0, 1), created_timestamp=created)
    for _ in range(2):
        store.push("shop.basket", rows, to="both")
    assert shop.lake.read(f"select total from {TABLE}")["total"].to_pylist() == [2.0]
    store.push("shop.basket", rows.slice(0, 1), to="offline")
    assert offline(store) == [1.0]


def test_a_push_adds_to_the_partition_of_the_day_it_became_known(
    shop: Shop, store: FeatureStore
) -> None:
    store.push("shop.basket", baskets(("a", 1, BOUGHT, 1.0, 1)), to="offline")
    shop.now = NOW + timedelta(days=2)
    late = store.push("shop.basket", baskets(("b", 1, BOUGHT, 2.0, 1)), to="offline")
    assert late.partitions == (date(2013, 6, 3),)
    days = shop.lake.read("select partition_day as d from lineage.partition_versions order by 1")
    assert days["d"].to_pylist() == [date(2013, 6, 1), date(2013, 6, 3)]  # none for the 2nd


def test_a_push_over_days_with_one_between_replaces_in_each_and_records_no_other(
    shop: Shop, store: FeatureStore
) -> None:
    days = [NOW - timedelta(days=2), NOW]
    rows = baskets(
        ("a", 1, BOUGHT, 1.0, 1), ("a", 1, BOUGHT, 2.0, 1),
        created_timestamp=pa.array(days, pa.timestamp("us", "UTC")),
    )  # fmt: skip
    store.push("shop.basket", rows, to="offline")
    pushed = store.push("shop.basket", rows, to="offline")
    assert pushed.partitions == tuple(day.date() for day in days)
    held = shop.lake.read(f"select total from {TABLE} order by 1")
    assert held["total"].to_pylist() == [1.0, 2.0]
    recorded = shop.lake.read(
        "select partition_day as d from lineage.partition_versions order by 1"
    )
    assert recorded["d"].to_pylist() == [day.date() for day in days]


def test_an_older_push_leaves_the_newer_value_online(store: FeatureStore) -> None:
    store.push("shop.basket", baskets(("a", 1, BOUGHT, 2.0, 1)))
    older = store.push("shop.basket", baskets(("a", 1, BOUGHT - MICROSECOND, 1.0, 1)), to="both")
    assert older.online == 0
    assert online(store)["total"] == 2.0
    assert offline(store) == [1.0]


@pytest.mark.parametrize(
    ("changed", "error", "parts"),
    [
        ({"items": None}, LookupError, ("no column 'items' (int)", "add it")),
        ({"event_timestamp": None}, LookupError, ("no column 'event_timestamp'",)),
        ({"user": None}, LookupError, ("no column 'user'",)),
        ({"tip": [1.0]}, LookupError, ("'tip' is none of shop.basket's", "leave it out")),
        ({"items": [1.5]}, TypeError, ("'items'", "is double, declared is int", "cast it")),
        ({"total": [1]}, TypeError, ("'total'", "is int64, declared is float")),
        ({"user": ["1"]}, TypeError, ("'user'", "is string, declared is int")),
        ({"event_timestamp": ["noon"]}, TypeError, ("'event_timestamp'", "declared is timestamp")),
        ({"items": pa.array([2**63], pa.uint64())}, ValueError, ("'items'", "does not fit int")),
        ({"user": pa.array([None], pa.int64())}, ValueError, ("1 of 1 rows", "no user")),
        ({"event_timestamp": pa.array([None], pa.timestamp("us"))}, ValueError,
         ("1 of 1 rows", "no event_timestamp", "leave them out")),
        ({"created_timestamp": pa.array([None], pa.timestamp("us"))}, ValueError,
         ("no created_timestamp",)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("to", ["online", "offline", "both"])
def test_rows_that_do_not_fit_are_refused_before_anything_is_written(
    shop: Shop,
    store: FeatureStore,
    to: Destination,
    changed: dict[str, Any],
    error: type[Exception],
    parts: tuple[str, ...],
) -> None:
    with refusal(error, *parts, "shop.basket"):
        store.push("shop.basket", baskets(("a", 1, BOUGHT, 9.5, 2), **changed), to=to)
    assert not shop.lake.has(TABLE)
    assert shop.online.count("shop.basket") == 0


def test_a_push_that_names_something_wrong_is_refused(store: FeatureStore) -> None:
    rows = pa.table({"user": [1], "event_timestamp": [BOUGHT], "score": [1.0]})
    with refusal(LookupError, "'shop.bascet' is not declared", "Did you mean 'shop.basket'?"):
        store.push("shop.bascet", rows)
    with refusal(ValueError, "to='everywhere'", "'online', 'offline' or 'both'"):
        store.push("shop.slow", rows, to="everywhere")  # type: ignore[arg-type]
    with refusal(ValueError, "'shop.kept' is not online", "to='offline'"):
        store.push("shop.kept", rows)
    assert store.push("shop.kept", rows, to="offline").rows == 1


def test_a_value_is_not_served_before_it_takes_effect(shop: Shop, store: FeatureStore) -> None:
    rows = pa.table({"user": [1], "event_timestamp": [BOUGHT], "score": [1.0]})
    for to in ("online", "both"):
        with refusal(ValueError, "1 of 1 rows for shop.slow take effect only 2:00:00"):
            store.push("shop.slow", rows, to=to)  # type: ignore[arg-type]
    assert not shop.lake.has("features.shop__slow")
    shop.now = BOUGHT + 2 * HOUR
    assert store.push("shop.slow", rows, to="both").online == 1


def test_without_an_online_store_the_lake_has_the_rows_and_the_caller_knows(
    shop: Shop, tmp_path: Path
) -> None:
    with closing(online_store("redis://127.0.0.1:1/0")) as away:
        shop.online = away
        store = shop.store(BASKET)
        with pytest.raises(OnlineStoreUnavailable):
            store.push("shop.basket", baskets(("a", 1, BOUGHT, 9.5, 2)), to="both")
        assert offline(store) == [9.5]


def test_every_type_comes_back_as_it_was_pushed(store: FeatureStore) -> None:
    values = {
        "a": 0.1, "b": 0.5, "c": 2**53 + 1, "d": True, "e": "é", "f": b"\x00\xff", "g": BOUGHT,
        "h": [0.1, 2.0], "i": [2**60, 1], "j": ["x", ""],
    }  # fmt: skip
    rows = pl.DataFrame(
        {"user": [1], "event_timestamp": [BOUGHT], **{n: [v] for n, v in values.items()}}
    )
    store.push("shop.every", rows, to="both")
    empty = {name: None for name in values}
    store.push(
        "shop.every",
        pl.DataFrame({"user": [2], "event_timestamp": [BOUGHT], **{n: [None] for n in values}}),
        to="both",
    )
    found = store.get_online_features([{"user": 1}, {"user": 2}], "shop.every")
    assert [{n: row[n] for n in values} for row in found.rows] == [values, empty]
    asked = pl.DataFrame({"user": [1, 2], "event_timestamp": [NOW, NOW]})
    past = store.get_historical_features(asked, "shop.every").select(list(values)).to_pylist()
    assert [{**row, "g": row["g"] and row["g"].replace(tzinfo=UTC)} for row in past] == [
        values,
        empty,
    ]
    with refusal(ValueError, "'b'", "float32 would round"):
        store.push("shop.every", rows.with_columns(b=pl.lit(0.1)))


def test_online_values_carry_a_status_and_come_in_the_order_asked_for(
    store: FeatureStore,
) -> None:
    store.push(
        "shop.basket", baskets(("a", 1, BOUGHT, None, 2), ("b", 1, BOUGHT - 24 * HOUR, 1.0, 1))
    )
    store.push(
        "shop.user",
        pa.table({"user": [1], "event_timestamp": [BOUGHT], "segment": ["new"], "total": [3.0]}),
    )
    wanted = ["shop.basket:items", "shop.user:segment", "shop.basket:total"]
    asked = [{"shop": "a", "user": 1}, {"shop": "b", "user": 1}, {"shop": None, "user": 7}]
    found = store.get_online_features(asked, wanted)
    assert [list(row.items()) for row in found.rows] == [
        [("shop", "a"), ("user", 1), ("items", 2), ("segment", "new"), ("total", None)],
        [("shop", "b"), ("user", 1), ("items", None), ("segment", "new"), ("total", None)],
        [("shop", None), ("user", 7), ("items", None), ("segment", None), ("total", None)],
    ]
    present, null, old, absent = (
        Status.PRESENT,
        Status.NULL,
        Status.OUTSIDE_MAX_AGE,
        Status.NOT_FOUND,
    )
    assert [list(row.values()) for row in found.statuses] == [
        [present, present, null], [old, present, old], [absent, absent, absent],
    ]  # fmt: skip
    assert found.event_timestamps[0] == {"shop.basket": BOUGHT, "shop.user": BOUGHT}
    assert found.to_dict()["segment"] == ["new", "new", None]
    assert asyncio.run(store.get_online_features_async(asked, wanted)) == found
    later = store.get_online_features(asked[:1], wanted, at=BOUGHT + 24 * HOUR + MICROSECOND)
    assert later.statuses[0]["items"] == old
    again = store.get_online_features_async(asked[:1], wanted, at=BOUGHT + 24 * HOUR + MICROSECOND)
    assert asyncio.run(again) == later
    both = store.get_online_features(asked, ["shop.basket", "shop.user"], full_feature_names=True)
    assert both.rows[0]["user__total"] == 3.0
    assert store.get_online_features([], wanted).rows == []


class Counting(SqliteOnlineStore):
    """Counts the trips to the store."""

    trips = 0

    def read(self, requests: Sequence[ViewRequest], at: datetime) -> list[FeatureValues]:
        self.trips += 1
        return super().read(requests, at)


def test_all_views_and_entities_are_read_in_one_trip(shop: Shop, tmp_path: Path) -> None:
    with closing(Counting(str(tmp_path / "counted.sqlite"), timeout=5)) as counting:
        shop.online = counting
        rows = [{"shop": "a", "user": user} for user in range(50)]
        asked = ["shop.basket:items", "shop.user"]
        store = shop.store(BASKET, USER)
        assert len(store.get_online_features(rows, asked).rows) == 50
        assert counting.trips == 1
        assert len(asyncio.run(store.get_online_features_async(rows, asked)).rows) == 50
        assert counting.trips == 2, "SQLite answers asynchronous reads from a thread, by read"


def test_an_online_question_that_cannot_be_answered_is_refused(store: FeatureStore) -> None:
    ask = store.get_online_features
    with refusal(LookupError, "entity row 1 has no 'shop'", "it has user"):
        ask([{"shop": "a", "user": 1}, {"user": 1}], "shop.basket")
    with refusal(TypeError, "entity row 0: user is '1', a str", "keyed by int"):
        ask([{"user": "1"}], "shop.user")
    with refusal(TypeError, "user is True, a bool"):
        ask([{"user": True}], "shop.user")
    with refusal(ValueError, "'shop.kept' is not online"):
        ask([{"user": 1}], "shop.kept")
    with refusal(ValueError, "'total' would come from two places", "full_feature_names=True"):
        ask([{"shop": "a", "user": 1}], ["shop.basket", "shop.user"])


def test_views_are_listed_and_described_with_what_both_stores_hold(
    shop: Shop, store: FeatureStore
) -> None:
    names = [view.full_name for view in store.list_feature_views()]
    assert names == ["shop.basket", "shop.every", "shop.kept", "shop.slow", "shop.user"]
    before = store.describe("shop.basket")
    assert (before["rows"], before["online_entities"]) == (0, 0)
    store.push("shop.basket", baskets(("a", 1, BOUGHT, 1.0, 1), ("b", 1, NOW, 1.0, 1)), to="both")
    described = store.describe("shop.basket")
    assert (described["rows"], described["online_entities"]) == (2, 2)
    assert described["newest_event"] == NOW
    assert described["owner"] == "shop@example.com"
    assert described["features"] == {"total": "float", "items": "int"}
    with refusal(LookupError, "Did you mean 'shop.basket'?"):
        store.describe("shop.baskets")
