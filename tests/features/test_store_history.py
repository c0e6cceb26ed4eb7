"""Features of the past through a real lake: exact, reproducible, pruned, and traced to their rows.

The brute-force oracle is that of the point-in-time join.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings

from mlplat_assets.features.historical import lake_at, partition_digests, span_of, view_frame
from mlplat_assets.features.store import FeatureStore
from mlplat_assets.spec import DType, FeatureService
from tests.features import test_point_in_time_oracle as pit
from tests.features.small_frames import KINDS, MICROSECOND, refusal
from tests.features.small_store import HOUR, Shop, declared, service, shop_at

NOON = datetime(2013, 3, 5, 12, tzinfo=UTC)
WEATHER = declared(
    "weather", {"airport": "string"}, {"temp": "float", "wind": "float"},
    ttl=6 * HOUR, landing_delay=HOUR,
)  # fmt: skip
CARRIER = declared(
    "carrier", {"carrier": "string", "airport": "string"}, {"late": "int"}, ttl=24 * HOUR
)
REQUESTED = service("arrivals_v1", "shop.weather:wind", "shop.carrier", "shop.weather:temp")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with shop_at(tmp_path_factory.mktemp("history")) as shop:
        shop.write(WEATHER, ("EWR", NOON, ..., 40.0, 5.0), ("EWR", NOON + HOUR, ..., 41.0, None),
                   ("JFK", NOON, ..., 50.0, 6.0), (None, NOON, ..., 0.0, 0.0))  # fmt: skip
        shop.write(CARRIER, ("UA", "EWR", NOON + 2 * HOUR, ..., 3), ("AA", "JFK", NOON, ..., 4))
        yield shop


@pytest.fixture
def store(shop: Shop) -> FeatureStore:
    return shop.store(WEATHER, CARRIER, services=(REQUESTED,))


def asked(*rows: tuple[object, ...], time: str = "event_timestamp") -> pa.Table:
    """An entity frame of (airport, carrier, moment)."""
    airport, carrier, moment = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {
            "airport": pa.array(airport, pa.string()),
            "carrier": pa.array(carrier, pa.string()),
            time: pa.array(moment, pa.timestamp("us", "UTC")),
        }
    )


_NUMBERS = count()


@settings(max_examples=25, deadline=None, derandomize=True)
@given(pit.cases())
def test_every_read_of_the_lake_gives_what_the_oracle_finds(shop: Shop, case: pit.Case) -> None:
    types: dict[str, DType] = {"text": "string", "number": "int"}
    ttl = None if case.ttl is None else case.ttl * MICROSECOND
    view = declared(
        f"generated_{next(_NUMBERS)}", {key: types[key] for key in case.keys}, {"value": "int"},
        ttl=ttl, landing_delay=case.delay * MICROSECOND,
    )  # fmt: skip
    value = [None if i % 3 == 0 else i for i in range(len(case.rows))]
    rows = [
        (*keys, moment(event), moment(created), value[i])
        for i, (event, created, keys) in enumerate(case.rows)
    ]
    half = len(rows) // 2
    shop.write(view, *rows[:half])  # the first half, if small, lies in the catalogue, not a file
    shop.write(view, *rows[half:])
    frame = pit.table(case.asked, case.keys, case.zones[0]).rename_columns({"value": "label"})
    found = shop.store(view).get_historical_features(
        KINDS[case.kinds[0]](frame.drop_columns("created")),  # type: ignore[arg-type]
        view.full_name,
        known_at=case.known_at,
        provenance=True,
    )
    expected = list(pit.oracle(case.asked, case.rows, case.ttl, case.delay, case.known_at))
    assert found["value"].to_pylist() == [None if i is None else value[i] for i in expected]
    used = found[f"{view.name}__event_timestamp"].cast(pa.int64()).to_pylist()
    assert used == [None if i is None else case.rows[i][0] for i in expected]
    age = found[f"{view.name}__staleness"].cast(pa.int64()).to_pylist()
    assert age == [
        None if t is None or event is None else t - event
        for (t, _, _), event in zip(case.asked, used, strict=True)
    ]


def moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else datetime(1970, 1, 1) + microseconds * MICROSECOND  # noqa: DTZ001


def test_features_come_in_the_order_asked_for_whatever_names_them(store: FeatureStore) -> None:
    frame = asked(("EWR", "UA", NOON + 2 * HOUR), ("JFK", "UA", NOON + 2 * HOUR))
    expected = {"wind": [None, 6.0], "late": [3, None], "temp": [41.0, 50.0]}
    for features in ("shop.arrivals_v1", ["shop.arrivals_v1"], REQUESTED.spec,
                     ["shop.weather:wind", "shop.carrier:late", "shop.weather"]):  # fmt: skip
        found = store.get_historical_features(frame, features)
        assert found.drop_columns(frame.column_names).to_pydict() == expected
        assert found.select(frame.column_names) == frame
    full = store.get_historical_features(frame, "shop.arrivals_v1", full_feature_names=True)
    assert full.column_names[3:] == ["weather__wind", "carrier__late", "weather__temp"]


def test_provenance_names_the_row_partition_content_and_age(
    shop: Shop, store: FeatureStore
) -> None:
    frame = asked(("EWR", "UA", NOON + 2 * HOUR + MICROSECOND), (None, "UA", NOON))
    found = store.get_historical_features(
        frame, ["shop.weather:temp", "shop.carrier"], full_feature_names=True, provenance=True
    )
    digest = shop.lake.record_partitions(
        "features.shop__weather", NOON.date(), NOON.date(), run_id="recorded"
    )[0].digest
    assert found.column_names[3:] == [
        "weather__temp", "carrier__late",
        *(f"weather__{fact}" for fact in ("event_timestamp", "partition", "data_version",
                                          "staleness")),
        *(f"carrier__{fact}" for fact in ("event_timestamp", "partition", "data_version",
                                          "staleness")),
    ]  # fmt: skip
    traced = pl.DataFrame(found).select(pl.selectors.starts_with("weather__"))
    assert traced.row(0) == (41.0, NOON + HOUR, date(2013, 3, 5), digest, HOUR + MICROSECOND)
    assert traced.row(1) == (None, None, None, None, None)
    short = store.get_historical_features(frame, "shop.weather:temp", provenance=True)
    assert short["weather__data_version"].to_pylist() == [digest, None]


def test_without_an_entity_frame_every_change_of_a_view_is_a_row(store: FeatureStore) -> None:
    found = store.get_historical_features(
        features=["shop.weather:temp"], start=NOON, end=NOON + 3 * HOUR
    )
    assert found.to_pylist() == [
        {"airport": "EWR", "event_timestamp": NOON + HOUR, "temp": 40.0},
        {"airport": "JFK", "event_timestamp": NOON + HOUR, "temp": 50.0},
        {"airport": "EWR", "event_timestamp": NOON + 2 * HOUR, "temp": 41.0},
    ]
    before = store.get_historical_features(
        features="shop.weather", start=NOON, end=NOON + HOUR - MICROSECOND
    )
    assert before.num_rows == 0 and before.column_names[-2:] == ["temp", "wind"]


@pytest.mark.parametrize("known_at", [False, True])
def test_a_change_at_the_start_is_a_row_and_one_at_the_end_is_not(
    store: FeatureStore, known_at: bool
) -> None:
    found = store.get_historical_features(
        features="shop.weather:temp", start=NOON + HOUR, end=NOON + 2 * HOUR, known_at=known_at
    )
    assert found["airport"].to_pylist() == ["EWR", "JFK"]
    assert found["event_timestamp"].to_pylist() == [NOON + HOUR] * 2


def test_an_entity_counts_for_exactly_the_ttl_of_its_last_row(shop: Shop) -> None:
    gate = declared("gate", {"airport": "string"}, {"open": "int"})
    last = NOON + 24 * HOUR
    shop.write(gate, ("JFK", last, ..., 1), ("JFK", last + MICROSECOND, ..., 2))
    store, end = shop.store(CARRIER, gate), last + HOUR
    ask = partial(store.get_historical_features, features=["shop.carrier", "shop.gate"], end=end)
    found = ask(start=last)
    assert found["open"].to_pylist() == [1, 2]
    assert found["late"].to_pylist() == [4, None]
    assert ask(start=last + MICROSECOND).num_rows == 0


def test_moments_of_a_view_with_fewer_keys_count_for_every_entity_with_them(
    store: FeatureStore,
) -> None:
    found = store.get_historical_features(
        features="shop.arrivals_v1", start=date(2013, 3, 5), end=datetime(2040, 1, 1, tzinfo=UTC)
    )
    assert [tuple(row.values()) for row in found.to_pylist()] == [
        ("AA", "JFK", NOON, None, 4, None),
        ("AA", "JFK", NOON + HOUR, 6.0, 4, 50.0),
        ("UA", "EWR", NOON + HOUR, 5.0, None, 40.0),
        ("UA", "EWR", NOON + 2 * HOUR, None, 3, 41.0),
    ]


def test_known_at_moves_a_moment_to_when_its_row_was_created(shop: Shop) -> None:
    view = declared("late", {"airport": "string"}, {"temp": "float"}, landing_delay=HOUR)
    shop.write(view, ("EWR", NOON, NOON + 5 * HOUR, 1.0), ("JFK", NOON, NOON, 2.0))
    store, end = shop.store(view), NOON + 9 * HOUR
    known = store.get_historical_features(features="shop.late", start=NOON, end=end, known_at=True)
    assert known["event_timestamp"].to_pylist() == [NOON + HOUR, NOON + 5 * HOUR]
    assert known["temp"].to_pylist() == [2.0, 1.0]
    told = store.get_historical_features(features="shop.late", start=NOON, end=end)
    assert told["event_timestamp"].to_pylist() == [NOON + HOUR] * 2


def test_views_whose_keys_do_not_contain_each_other_need_an_entity_frame(shop: Shop) -> None:
    other = declared("plane", {"tailnum": "string"}, {"seats": "int"})
    with refusal(ValueError, "shop.weather by airport; shop.plane by tailnum", "pass entity_df"):
        shop.store(WEATHER, other).get_historical_features(
            features=["shop.weather", "shop.plane"], start=NOON, end=NOON
        )


def test_a_snapshot_gives_the_same_bytes_after_the_views_were_rebuilt(shop: Shop) -> None:
    view = declared("rebuilt", {"airport": "string"}, {"temp": "float"})
    shop.write(view, ("EWR", NOON, ..., 40.0))
    store, snapshot = shop.store(view), shop.lake.snapshot()
    frame = asked(("EWR", "UA", NOON + HOUR))

    def read(at: int | None = None) -> pa.Table:
        return store.get_historical_features(
            frame, "shop.rebuilt", as_of_snapshot=at, provenance=True
        )

    before = read()
    shop.lake.replace_days(
        "features.shop__rebuilt",
        shop.lake.read("select * replace (41.0 as temp) from features.shop__rebuilt"),
        NOON.date(),
        NOON.date(),
    )
    after = read()
    assert (before["temp"][0].as_py(), after["temp"][0].as_py()) == (40.0, 41.0)
    assert before["rebuilt__data_version"] != after["rebuilt__data_version"]
    assert as_bytes(read(snapshot)) == as_bytes(before) != as_bytes(after)


def as_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def test_files_beyond_the_reach_are_not_opened(shop: Shop) -> None:
    view = declared("pruned", {"airport": "string"}, {"temp": "float"}, ttl=timedelta(days=3))
    for month in (1, 3, 4, 8):  # more rows than the lake keeps in its catalogue
        at = datetime(2013, month, 10, tzinfo=UTC)
        shop.write(view, *(("EWR", at + i * MICROSECOND, at, float(month)) for i in range(500)))
    store, april = shop.store(view), datetime(2013, 4, 11, tzinfo=UTC)
    frame = asked(("EWR", "UA", april), ("EWR", "UA", april + HOUR))
    for path in Path(shop.lake.data).glob("features/shop__pruned/year=2013/month=*/*.parquet"):
        if "month=4" not in str(path):
            path.unlink()
    assert store.get_historical_features(frame, "shop.pruned")["temp"].to_pylist() == [4.0, 4.0]
    with pytest.raises(Exception, match="parquet"):
        store.get_historical_features(
            asked(("EWR", "UA", datetime(2013, 8, 11, tzinfo=UTC))), "shop.pruned"
        )


def test_a_row_that_landed_days_later_is_found_by_its_event_time(shop: Shop) -> None:
    view = declared("landed", {"airport": "string"}, {"temp": "float"}, ttl=6 * HOUR)
    shop.write(view, ("EWR", NOON, NOON + 40 * 24 * HOUR, 7.0))
    frame = asked(("EWR", "UA", NOON + HOUR))
    store = shop.store(view)
    found = store.get_historical_features(frame, "shop.landed", provenance=True)
    assert found["temp"].to_pylist() == [7.0]
    landed = (NOON + 40 * 24 * HOUR).date()
    assert found["landed__partition"].to_pylist() == [landed], "not the day of its event"
    assert found["landed__data_version"].null_count == 0
    known = store.get_historical_features(frame, "shop.landed", known_at=True)
    assert known["temp"].to_pylist() == [None]


def test_partitions_after_the_last_day_are_left_out(shop: Shop) -> None:
    view, day = declared("lasting", {"airport": "string"}, {"temp": "float"}), 24 * HOUR
    shop.write(view, ("EWR", NOON, ..., 1.0), ("EWR", NOON, NOON + day, 2.0))
    frame = asked(("EWR", "UA", NOON + day))
    with lake_at(shop.lake) as at:
        span = span_of(frame, "event_timestamp")
        for last_day, temps in ((NOON, [1.0]), (NOON + day, [1.0, 2.0])):
            rows = view_frame(at, view, ["temp"], span, last_day=last_day.date()).frame
            assert rows.collect()["temp"].to_list() == temps  # type: ignore[union-attr]


def test_a_row_is_found_until_its_ttl_and_of_equal_times_the_one_written_last(shop: Shop) -> None:
    view = declared("twice", {"airport": "string"}, {"temp": "float"}, ttl=6 * HOUR)
    at = NOON.replace(tzinfo=None)
    many = [("JFK", at - i * MICROSECOND, at, 0.0) for i in range(500)]  # in a file, not inlined
    shop.write(view, ("EWR", NOON, ..., 1.0))
    shop.write(view, *many, ("EWR", NOON, ..., 2.0))
    ask = shop.store(view).get_historical_features
    for age, temp in ((6 * HOUR, 2.0), (6 * HOUR + MICROSECOND, None)):
        assert ask(asked(("EWR", "UA", NOON + age)), "shop.twice")["temp"].to_pylist() == [temp]


def test_the_only_timestamp_of_an_entity_frame_is_its_moment(store: FeatureStore) -> None:
    named = asked(("EWR", "UA", NOON + HOUR), time="decided_at")
    found = store.get_historical_features(named, "shop.weather:temp", provenance=True)
    assert found["temp"].to_pylist() == [40.0]
    assert found["weather__staleness"].to_pylist() == [HOUR]
    pandas = named.to_pandas()
    assert isinstance(pandas, pd.DataFrame)
    assert store.get_historical_features(pandas, "shop.weather:temp")["temp"].to_pylist() == [40.0]


def test_nulls_empty_frames_mixed_zones_and_the_far_future_are_data(store: FeatureStore) -> None:
    empty = store.get_historical_features(asked(), "shop.arrivals_v1", provenance=True)
    assert empty.num_rows == 0 and "carrier__staleness" in empty.column_names
    nothing = asked((None, None, NOON + HOUR), ("EWR", "UA", None))
    found = store.get_historical_features(nothing, "shop.weather", provenance=True)
    assert found["temp"].to_pylist() == [None, None]
    future = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    far = asked(("EWR", "UA", future), ("EWR", "UA", datetime(1, 1, 1, tzinfo=UTC)))
    assert store.get_historical_features(far, "shop.weather")["temp"].to_pylist() == [None, None]
    zoned = asked(("EWR", "UA", NOON + HOUR))
    zoned = zoned.set_column(2, "event_timestamp", zoned[2].cast(pa.timestamp("s", "+05:30")))
    assert store.get_historical_features(zoned, "shop.weather:temp")["temp"].to_pylist() == [40.0]


def test_what_cannot_be_answered_is_refused_with_the_remedy(store: FeatureStore) -> None:
    frame = asked(("EWR", "UA", NOON))
    ask = store.get_historical_features
    with refusal(LookupError, "'shop.wether' is not declared", "Did you mean 'shop.weather'?"):
        ask(frame, "shop.wether")
    with refusal(LookupError, "Did you mean 'shop.weather:temp'?"):
        ask(frame, ["shop.weather:tmp"])
    with refusal(LookupError, "the entity frame has no column 'airport'", "it has carrier"):
        ask(frame.drop_columns("airport"), "shop.weather")
    numbers = frame.set_column(0, "airport", pa.array([7]))
    with refusal(TypeError, "'airport' of view 'shop.weather'", "is Int64", "cast"):
        ask(numbers, "shop.weather")
    with refusal(ValueError, "2 timestamp columns (a, b)", "none named 'event_timestamp'"):
        ask(asked(("EWR", "UA", NOON), time="a").append_column("b", frame[2]), "shop.weather")
    with refusal(ValueError, "has no timestamp", "event_timestamp"):
        ask(frame.drop_columns("event_timestamp"), "shop.weather")
    with refusal(TypeError, "not a timestamp"):
        ask(frame.set_column(2, "event_timestamp", pa.array(["noon"])), "shop.weather")
    with refusal(ValueError, "no features are asked for"):
        ask(frame, FeatureService(features=(), description=""))
    with refusal(ValueError, "either entity_df, or start and end"):
        ask(features="shop.weather")
    with refusal(ValueError, "either entity_df, or start and end"):
        ask(frame, "shop.weather", start=NOON, end=NOON)
    with refusal(ValueError, "give both"):
        ask(features="shop.weather", start=NOON)
    with refusal(ValueError, "is after end", "swap them"):
        ask(features="shop.weather", start=NOON, end=NOON - HOUR)
    with refusal(LookupError, "the lake holds no snapshot 9999", "from 0 to"):
        ask(frame, "shop.weather", as_of_snapshot=9999)
    with refusal(LookupError, "at snapshot 0 the lake lacks", "features.shop__weather"):
        ask(frame, "shop.weather", as_of_snapshot=0)


def test_a_feature_that_was_declared_after_the_table_was_built_is_named(shop: Shop) -> None:
    keys: dict[str, DType] = {"airport": "string"}
    shop.write(declared("visits", keys, {"seen": "int"}), ("EWR", NOON, ..., 1))
    store = shop.store(declared("visits", keys, {"seen": "int", "gone": "int"}))
    frame = pa.table({"airport": ["EWR"], "event_timestamp": [NOON]})
    assert store.get_historical_features(frame, "shop.visits:seen")["seen"].to_pylist() == [1]
    with refusal(LookupError, 'column "gone" not found', "materialise the asset"):
        store.get_historical_features(frame, "shop.visits:gone")


def test_the_digest_of_a_day_is_the_recorded_one_and_absent_without_rows(shop: Shop) -> None:
    with lake_at(shop.lake) as at:
        found = partition_digests(at, "features.shop__carrier", [NOON.date(), date(2013, 1, 1)])
    recorded = shop.lake.record_partitions(
        "features.shop__carrier", NOON.date(), NOON.date(), run_id="recorded"
    )
    assert found == {NOON.date(): recorded[0].digest}
