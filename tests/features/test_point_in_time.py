"""The point-in-time contract, case by case."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import permutations

import pyarrow as pa
import pytest

from mlplat_assets.features.point_in_time import ViewFrame, point_in_time_join
from tests.features.small_frames import KINDS, MICROSECOND, NOON, entity_frame, temps, weather

BY_CREATED = [(1.0, NOON), (2.0, NOON - MICROSECOND), (3.0, None)]  # from the last to the first


@pytest.mark.parametrize("kind", ["arrow", "pandas", "polars"])
def test_input_columns_come_back_untouched_in_type_and_value(kind: str) -> None:
    asked = pa.table(
        {
            "airport": ["EWR", "JFK", "EWR"],
            "event_timestamp": pa.array([3, 1, 2], pa.timestamp("ns", "America/New_York")),
            "label": pa.array([1.5, None, 2.5], pa.float32()),
        }
    )
    entities = KINDS[kind](asked)
    joined = point_in_time_join(entities, [weather()])  # type: ignore[arg-type]
    returned = joined.select(asked.column_names)
    assert returned["event_timestamp"].type == asked["event_timestamp"].type
    if kind == "arrow":
        assert returned.equals(asked)
    else:
        assert returned.to_pylist() == asked.to_pylist()
    assert joined["temp"].to_pylist() == [None, None, None]


@pytest.mark.parametrize("labels", [1, 64, 65, 20_000])
def test_ties_are_won_by_the_last_written_at_every_size(labels: int) -> None:
    view = weather(*(("EWR", NOON, NOON, i % 1000) for i in range(5_000)))
    asked = entity_frame(*([NOON] * labels), airport=["EWR"] * labels)
    assert temps(asked, view) == [999.0] * labels
    assert temps(asked, view, known_at=True) == [999.0] * labels


@pytest.mark.parametrize("order", list(permutations(BY_CREATED, 2)))
def test_a_tie_goes_to_the_later_created_and_null_created_is_lowest(
    order: tuple[tuple[float, datetime | None], ...],
) -> None:
    view = weather(*(("EWR", NOON, created, temp) for temp, created in order))
    expected = min(temp for temp, _ in order)
    assert temps(entity_frame(NOON, airport=["EWR"]), view) == [expected]


def test_both_ends_of_the_ttl_are_inclusive_to_the_microsecond() -> None:
    view = weather(("EWR", NOON, NOON, 1), ttl=timedelta(hours=6))
    last = NOON + timedelta(hours=6)
    times = (NOON - MICROSECOND, NOON, last, last + MICROSECOND)
    assert temps(entity_frame(*times, airport=["EWR"] * 4), view) == [None, 1.0, 1.0, None]


@pytest.mark.parametrize("ttl", [None, timedelta(0), timedelta.max])
def test_no_ttl_a_zero_ttl_and_the_greatest_ttl_never_expire(ttl: timedelta | None) -> None:
    view = weather(("EWR", datetime(1, 1, 1, tzinfo=UTC), None, 1), ttl=ttl)
    asked = entity_frame(datetime(9999, 12, 31, tzinfo=UTC), airport=["EWR"])
    assert temps(asked, view) == [1.0]


def test_a_value_takes_effect_after_the_landing_delay_and_ages_from_its_event() -> None:
    view = weather(("EWR", NOON, None, 1), landing_delay=timedelta(hours=2), ttl=timedelta(hours=3))
    times = [NOON + timedelta(hours=hours) for hours in (1, 2, 3, 4)]
    assert temps(entity_frame(*times, airport=["EWR"] * 4), view) == [None, 1.0, 1.0, None]


def test_known_at_uses_only_what_was_written_by_then() -> None:
    late = NOON + timedelta(days=1)
    view = weather(("EWR", NOON - timedelta(hours=1), NOON, 1), ("EWR", NOON, late, 2))
    asked = entity_frame(NOON, late, airport=["EWR", "EWR"])
    assert temps(asked, view) == [2.0, 2.0]
    assert temps(asked, view, known_at=True) == [1.0, 2.0]


def test_a_correction_of_an_older_event_does_not_replace_a_newer_one() -> None:
    late = NOON + timedelta(days=1)
    view = weather(("EWR", NOON, NOON, 2), ("EWR", NOON - timedelta(hours=1), late, 1))
    assert temps(entity_frame(late, airport=["EWR"]), view, known_at=True) == [2.0]


def test_composite_keys_are_compared_by_column() -> None:
    frame = pa.table({"a": [1, 11], "b": [11, 1], "at": [NOON, NOON], "x": [1, 2]})
    view = ViewFrame("v", frame, ("a", "b"), ("x",), "at")
    asked = entity_frame(NOON, NOON, NOON, a=[11, 1, 1], b=[1, 11, 1])
    assert point_in_time_join(asked, [view])["x"].to_pylist() == [2, 1, None]


def test_the_hour_that_clocks_repeat_is_told_apart() -> None:
    zone = pa.timestamp("us", "America/New_York")
    half_past_one = [
        datetime(2013, 11, 3, 5, 30, tzinfo=UTC),
        datetime(2013, 11, 3, 6, 30, tzinfo=UTC),
    ]
    frame = pa.table({"at": pa.array(half_past_one, zone), "x": [1, 2]})
    asked = pa.table({"event_timestamp": pa.array(half_past_one, zone)})
    joined = point_in_time_join(asked, [ViewFrame("v", frame, (), ("x",), "at")])
    assert joined["x"].to_pylist() == [1, 2]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_every_unit_of_time_joins_every_other(unit: str) -> None:
    frame = pa.table({"at": pa.array([NOON], pa.timestamp(unit)), "x": [1]})
    asked = entity_frame(NOON - MICROSECOND, NOON)
    joined = point_in_time_join(asked, [ViewFrame("v", frame, (), ("x",), "at")])
    assert joined["x"].to_pylist() == [None, 1]


def test_one_view_joined_twice_under_two_names_keeps_both() -> None:
    view = weather(("EWR", NOON, NOON, 1), ("LAX", NOON, NOON, 2))
    origin = replace(view, name="flights.origin_weather", key_map={"origin": "airport"})
    dest = replace(view, name="flights.dest_weather", key_map={"dest": "airport"})
    asked = entity_frame(NOON, origin=["EWR"], dest=["LAX"])
    joined = point_in_time_join(asked, [origin, dest], full_feature_names=True, provenance=True)
    assert joined.column_names == [
        *asked.column_names,
        "origin_weather__temp",
        "dest_weather__temp",
        "origin_weather__event_timestamp",
        "dest_weather__event_timestamp",
    ]
    assert joined.to_pylist()[0]["origin_weather__temp"] == 1.0
    assert joined.to_pylist()[0]["dest_weather__temp"] == 2.0


@pytest.mark.parametrize(
    "keys", [pa.int8(), pa.uint32(), pa.large_string(), pa.bool_(), pa.date32(), pa.float64(),
             pa.binary(), pa.dictionary(pa.int32(), pa.string()), pa.uint64()], ids=str
)  # fmt: skip
def test_keys_of_every_plain_type_join(keys: pa.DataType) -> None:
    name = str(keys)
    value = {"bool": True, "double": 1.5, "binary": b"x", "date32[day]": date(2013, 1, 1)}.get(
        name, "x" if "string" in name else 7
    )
    column = pa.array([value, None], keys)
    frame = pa.table({"k": column, "at": [NOON, NOON], "x": [1, 2]})
    asked = entity_frame(NOON, NOON).append_column("k", column)
    joined = point_in_time_join(asked, [ViewFrame("v", frame, ("k",), ("x",), "at")])
    assert joined["x"].to_pylist() == [1, None]


def test_a_column_of_nulls_matches_nothing_whatever_the_type_of_the_key() -> None:
    assert temps(entity_frame(NOON, airport=[None]), weather(("EWR", NOON, NOON, 1))) == [None]
    untimed = pa.table({"airport": ["EWR"], "event_timestamp": [None]})
    assert temps(untimed, weather(("EWR", NOON, NOON, 1))) == [None]


def test_no_views_give_the_entity_frame_back() -> None:
    asked = entity_frame(NOON, airport=["EWR"])
    assert point_in_time_join(asked, [], provenance=True).equals(asked)
