"""An on-demand function gives one row alone what it gives it among many, or says what is wrong."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bentos.model_server.artefact.card import Column, Kind, OnDemandEntry, StoredInput
from bentos.model_server.artefact.column_arrays import as_array, as_values
from bentos.model_server.artefact.on_demand import OnDemandFailed, OnDemandFunction, function_of
from resources.digests import digest_of_bytes

Arrays = Mapping[str, Any]
NOON = datetime(2013, 1, 5, 12, tzinfo=UTC)

FLOATS = st.floats(allow_nan=False) | st.none()
INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.none()
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.none()
TIMES = st.datetimes(timezones=st.just(UTC)) | st.none()
VALUES: dict[str, st.SearchStrategy] = {
    "distance": INTEGERS,
    "is_holiday": st.booleans() | st.none(),
    "carrier": TEXTS,
    "event_timestamp": TIMES,
    "weather__temp": FLOATS,
    "weather__gust": st.floats(width=32, allow_nan=False) | st.none(),
    "aircraft__landed_at": TIMES,
}
ROW = st.fixed_dictionaries(VALUES)


def ratios(columns: Arrays) -> dict[str, Any]:
    return {
        "real": columns["distance"] / columns["weather__temp"],
        "small": np.exp(columns["weather__temp"]) * columns["weather__gust"],
        "whole": np.round(columns["distance"] / 7),
        "flag": columns["distance"] > columns["weather__temp"],
        "text": np.where(columns["weather__temp"] < 0, columns["carrier"], "warm"),
    }


def times(columns: Arrays) -> Arrays:
    age = (columns["event_timestamp"] - columns["aircraft__landed_at"]) / np.timedelta64(1, "s")
    return {
        "real": age,
        "small": age,
        "whole": np.floor(age),
        "flag": np.where(np.isnan(age), np.nan, age > 3600),
        "text": np.where(age > 3600, "long ago", "just now"),
    }


def texts(columns: Arrays) -> Arrays:
    carrier = columns["carrier"]
    known = np.array([text is not None for text in carrier], bool)
    lengths = np.array([len(text or "") for text in carrier], np.int64)
    return {
        "real": np.where(known, lengths, np.nan),
        "small": columns["is_holiday"].astype(np.float32) + lengths,
        "whole": lengths,
        "flag": known,
        "text": np.array([text and text[::-1] for text in carrier], object),
    }


def entry(source: bytes = b"", **changed: Any) -> OnDemandEntry:
    document: dict[str, Any] = {
        "view": "flights.pressure",
        "source": "on_demand/flights__pressure.py",
        "digest": digest_of_bytes(source),
        "request": [
            {"name": "distance", "dtype": "int"},
            {"name": "is_holiday", "dtype": "bool"},
            {"name": "carrier", "dtype": "string"},
            {"name": "event_timestamp", "dtype": "timestamp"},
        ],
        "inputs": [
            {"column": f"{view}__{name}", "view": f"flights.{view}", "feature": name, "dtype": kind}
            for view, name, kind in (
                ("weather", "temp", "float"),
                ("weather", "gust", "float32"),
                ("aircraft", "landed_at", "timestamp"),
            )
        ],
        "features": [
            {"name": "real", "dtype": "float"},
            {"name": "small", "dtype": "float32"},
            {"name": "whole", "dtype": "int"},
            {"name": "flag", "dtype": "bool"},
            {"name": "text", "dtype": "string"},
        ],
        "columns": ["pressure__real"],
    }
    return msgspec.convert(document | changed, OnDemandEntry)


def by_column(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in VALUES}


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(ROW, min_size=1, max_size=40),
    compute=st.sampled_from([ratios, times, texts]),
    cut=st.integers(0, 40),
)
def test_a_row_alone_a_batch_and_the_whole_column_give_the_same(
    rows: list[dict[str, Any]], compute: Callable[[Arrays], Arrays], cut: int
) -> None:
    function = OnDemandFunction(entry=entry(), compute=compute)
    whole = function(by_column(rows))
    alone = [function(by_column([row])) for row in rows]
    assert whole == {name: [made[name][0] for made in alone] for name in whole}
    parts = [function(by_column(part)) for part in (rows[:cut], rows[cut:]) if part]
    assert whole == {name: [v for part in parts for v in part[name]] for name in whole}
    for made in alone:
        assert msgspec.json.decode(msgspec.json.encode(made)) == made
    kinds: dict[str, Any] = {"real": float, "small": float, "whole": int, "flag": bool, "text": str}
    for name, values in whole.items():
        kind = kinds[name.removeprefix("pressure__")]
        assert all(value is None or type(value) is kind for value in values)


@settings(deadline=None)
@given(st.lists(INTEGERS.filter(lambda n: n is None or abs(n) <= 2**53)))
def test_integers_pass_exactly_where_floats_hold_them(values: list[int | None]) -> None:
    assert as_values(as_array(values, "int"), "int", len(values)) == values


def test_an_integer_array_keeps_all_64_bits() -> None:
    numbers = [2**63 - 1, -(2**63), 2**53 + 1]
    assert as_values(np.array(numbers), "int", 3) == numbers


@pytest.mark.parametrize("kind", ["float", "float32", "int"])
def test_what_is_not_finite_is_missing(kind: Kind) -> None:
    array = np.array([np.nan, np.inf, -np.inf, -0.0, 2.0])
    assert as_values(array, kind, 5) == [None, None, None, 0, 2]


def test_a_number_beyond_float32_is_missing() -> None:
    assert as_values(np.array([1e39, 1e38]), "float32", 2)[0] is None


def test_a_time_is_taken_in_utc_to_the_microsecond() -> None:
    moment = NOON + timedelta(microseconds=1)
    abroad = moment.astimezone(timezone(timedelta(hours=-5)))
    array = as_array([moment, abroad, moment.replace(tzinfo=None), None], "timestamp")
    assert array.dtype == np.dtype("datetime64[us]")
    assert len(set(array[:3].tolist())) == 1
    assert np.isnat(array[3])


def test_a_flag_and_a_missing_one_are_told_apart() -> None:
    given = as_array([True, False, None], "bool")
    assert given.tolist()[:2] == [1.0, 0.0] and math.isnan(given[2])
    assert as_values(given, "bool", 3) == [True, False, None]


@pytest.mark.parametrize(
    ("made", "kind", "message"),
    [
        ([1.0], "float", "is a list: return an array of 1 values"),
        (np.float64(1), "float", "is a float64: return an array"),
        (np.zeros(()), "float", "has shape (): return 1 values"),
        (np.zeros(2), "float", "has shape (2,): return 1 values, one for each row"),
        (np.zeros((1, 1)), "int", "has shape (1, 1)"),
        (np.array([True]), "float", "is an array of bool: return numbers"),
        (np.array([None]), "float", "is an array of object: return numbers, NaN where one is miss"),
        (np.array([0.5]), "int", "holds 0.5: return whole numbers of 64 bits"),
        (np.array([2.0**63]), "int", "return whole numbers of 64 bits"),
        (np.array([2**63], np.uint64), "int", "holds 9223372036854775808: return whole"),
        (np.array([2]), "bool", "holds 2: return flags, or 0, 1 and NaN"),
        (np.array(["a"]), "bool", "is an array of <U1: return flags"),
        (np.array([1.5]), "string", "holds dtype('float64'): return texts"),
        (np.array([np.nan], object), "string", "holds nan: return texts, None where one is miss"),
        (np.array(["\ud800"], object), "string", "return texts"),
    ],
)
def test_an_array_that_is_not_as_declared_is_refused(made: Any, kind: Kind, message: str) -> None:
    with pytest.raises(ValueError) as refused:
        as_values(made, kind, 1)
    assert message in str(refused.value)


def failure(compute: Callable[[Arrays], Any]) -> str:
    with pytest.raises(OnDemandFailed) as failed:
        OnDemandFunction(entry=entry(), compute=compute).try_missing()
    return str(failed.value)


def test_a_failure_names_the_view_the_feature_and_the_remedy() -> None:
    assert failure(lambda columns: ratios(columns) | {"whole": np.zeros(7)}) == (
        "on-demand view flights.pressure: feature 'whole', declared int, has shape (7,): return 1 "
        "values, one for each row"
    )
    lacking = failure(lambda columns: {"real": columns["distance"], "rael": columns["distance"]})
    assert "compute returned ['rael', 'real']; return exactly the declared" in lacking
    assert "compute returned a NoneType; return one array" in failure(lambda columns: None)
    assert "KeyError: 'distnace'; every row must be answered" in failure(
        lambda columns: {"real": columns["distnace"]}
    )


def test_an_argument_cannot_be_written_to() -> None:
    """Another view may read the same column after this one."""

    def careless(columns: Arrays) -> Arrays:
        columns["weather__temp"][:] = 0
        return ratios(columns)

    assert "read-only" in failure(careless)


def test_leaving_the_program_is_a_failure_too() -> None:
    assert "SystemExit: 3" in failure(lambda columns: exit(3))


def test_an_absent_and_a_mistyped_column_are_named() -> None:
    function = OnDemandFunction(entry=entry(), compute=ratios)
    row = by_column([dict.fromkeys(VALUES)])
    with pytest.raises(OnDemandFailed, match="column 'weather__temp' was not given"):
        function({name: values for name, values in row.items() if name != "weather__temp"})
    with pytest.raises(OnDemandFailed, match="column 'distance' is not int: could not convert"):
        function(row | {"distance": ["far"]})
    with pytest.raises(OnDemandFailed, match="column 'event_timestamp' is not timestamp: 'noon'"):
        function(row | {"event_timestamp": ["noon"]})


SOURCE = b"""from __future__ import annotations
from dataclasses import dataclass
from mlplat_assets.spec import Field, OnDemandView

@dataclass
class Scale:
    by: float

def compute(columns):
    if (columns["distance"] < 0).any():
        raise ZeroDivisionError("no way back")
    return {"half": columns["distance"] * Scale(0.5).by}

ON_DEMAND = OnDemandView(
    description="", request=(Field(name="distance", dtype="int"),), inputs=(),
    features=(Field(name="half", dtype="float"),), compute=compute,
)
"""


def small_entry(source: bytes) -> OnDemandEntry:
    return entry(
        source,
        request=[{"name": "distance", "dtype": "int"}],
        inputs=[],
        features=[{"name": "half", "dtype": "float"}],
    )


def test_a_source_runs_as_it_was_written_and_failures_name_its_line() -> None:
    function = function_of(small_entry(SOURCE), SOURCE)
    assert function({"distance": [3, None]}) == {"pressure__half": [1.5, None]}
    with pytest.raises(OnDemandFailed, match=r"flights__pressure.py, line 11, raised ZeroDivision"):
        function({"distance": [-1]})


def test_a_source_that_was_changed_is_not_run() -> None:
    changed = SOURCE.replace(b"0.5", b"0.6")
    with pytest.raises(OnDemandFailed, match="the card was made with"):
        function_of(small_entry(SOURCE), changed)


def test_a_source_that_does_not_run_is_named() -> None:
    broken = SOURCE.replace(b"OnDemandView(", b"OnDemandVeiw(")
    with pytest.raises(OnDemandFailed, match=r"flights\.pressure: .*NameError"):
        function_of(small_entry(broken), broken)


def test_the_entry_of_a_card_survives_json() -> None:
    made = small_entry(SOURCE)
    assert msgspec.json.decode(msgspec.json.encode(made), type=OnDemandEntry) == made
    assert isinstance(entry().inputs[0], StoredInput) and isinstance(made.request[0], Column)
