"""What goes into the online store comes out: types, bits, and the newest row of each key."""

import struct
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.online_store import (
    OnlineRow,
    OnlineStore,
    Replacement,
    Status,
    ViewRequest,
    online_store,
)
from tests.resources.online_cases import NOON, TICK, correction, read, row

ON_ONE_STORE = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100
)
INTEGERS = st.integers(-(2**63), 2**64 - 1)
FLOATS = st.floats(allow_nan=False) | st.floats(width=32, allow_nan=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
ONES = st.booleans() | INTEGERS | FLOATS | TEXTS | st.binary() | st.none()
TIMES = st.datetimes(timezones=st.just(UTC))
LISTS = st.lists(INTEGERS) | st.lists(FLOATS) | st.lists(TEXTS) | st.lists(st.booleans())
VALUES = ONES | TIMES | LISTS


def exactly(value: Any) -> Any:
    """A value that equals another's only for the same type and bits."""
    if isinstance(value, list):
        return [exactly(part) for part in value]
    return type(value), struct.pack("d", value) if isinstance(value, float) else value


@given(values=st.dictionaries(TEXTS, VALUES, max_size=20), key=st.tuples(TEXTS, INTEGERS))
@ON_ONE_STORE
def test_values_keep_their_type_and_every_bit(
    online: OnlineStore, view: str, values: dict[str, Any], key: tuple[str, int]
) -> None:
    held = OnlineRow(
        key=key, event_timestamp=NOON, created_timestamp=NOON, partition="p", values=values
    )
    assert online.write(view, [held]) == 1
    wanted = (*reversed(values), "absent\n")
    (found,) = online.read([ViewRequest(view=view, key=key, features=wanted, ttl=None)], NOON)
    expected = {name: exactly(values.get(name)) for name in wanted}
    assert {name: exactly(value) for name, value in found.values.items()} == expected
    assert list(found.values) == list(found.status_by_feature) == list(wanted)
    for name, status in found.status_by_feature.items():
        assert status is (Status.NULL if values.get(name) is None else Status.PRESENT)


@given(event=TIMES, created=TIMES)
@ON_ONE_STORE
def test_times_are_exact_over_all_years(
    online: OnlineStore, event: datetime, created: datetime
) -> None:
    view = f"flights.weather_{uuid4().hex}"
    online.write(view, [row("EWR", event=event, created=created, temp=1)])
    assert read(online, view, "EWR").event_timestamp == event
    assert online.replace(view, [correction("EWR", event=event, created=created, row=None)]) == 1
    online.clear(view)


def test_a_float32_comes_back_as_the_same_float32(online: OnlineStore, view: str) -> None:
    numbers = np.random.default_rng(0).standard_normal(100).astype("float32")
    online.write(view, [row(index, temp=value) for index, value in enumerate(numbers.tolist())])
    found = [read(online, view, index).values["temp"] for index in range(100)]
    assert np.array_equal(np.array(found, "float32"), numbers)


@pytest.mark.parametrize(
    "value",
    [
        datetime(2013, 1, 5),  # noqa: DTZ001
        NOON.date(),
        Decimal("1.5"),
        np.float32(1.5),
        {"a": 1},
        (1, 2),
        [[1]],
        2**64,
        -(2**63) - 1,
    ],
)
def test_a_value_that_would_change_is_refused_by_name(
    online: OnlineStore, view: str, value: Any
) -> None:
    with pytest.raises(ValueError, match="temp"):
        online.write(view, [row("EWR", temp=value)])
    assert online.count(view) == 0


def test_rows_written_with_other_features_are_read_by_name(online: OnlineStore, view: str) -> None:
    online.write(view, [row(1, temp=1.0, wind=2.0), row(2, wind=3.0, temp=4.0), row(3, rain=5.0)])
    wanted = ("wind", "temp")
    requests = [
        ViewRequest(view=view, key=(key,), features=wanted, ttl=None) for key in (1, 2, 3, 1)
    ]
    assert [found.values for found in online.read(requests, NOON)] == [
        {"wind": 2.0, "temp": 1.0},
        {"wind": 3.0, "temp": 4.0},
        {"wind": None, "temp": None},
        {"wind": 2.0, "temp": 1.0},
    ]


STEPS = st.lists(
    st.tuples(st.sampled_from("AB"), st.integers(-2, 2), st.integers(0, 2)), max_size=25
)


@given(steps=STEPS, size=st.integers(1, 30))
@ON_ONE_STORE
def test_whatever_the_order_of_writes_the_newest_row_of_each_key_is_held(
    online: OnlineStore, steps: list[tuple[str, int, int]], size: int
) -> None:
    view = f"flights.weather_{uuid4().hex}"
    rows = [
        row(key, event=NOON + event * TICK, created=NOON + created * TICK, temp=number)
        for number, (key, event, created) in enumerate(steps)
    ]
    newest: dict[str, tuple[int, int, int]] = {}
    effective = 0
    for number, (key, event, created) in enumerate(steps):
        if (event, created, number) > newest.get(key, (-9, 0, 0)):
            newest[key] = (event, created, number)
            effective += 1
    written = [
        online.write(view, rows[start : start + size]) for start in range(0, len(rows), size)
    ]
    assert sum(written) == effective
    assert {key: read(online, view, key).values["temp"] for key in newest} == {
        key: number for key, (_, _, number) in newest.items()
    }
    assert online.count(view) == len(newest)
    online.clear(view)


CHANGES = st.lists(
    st.tuples(st.sampled_from("AB"), st.integers(0, 2), st.none() | st.integers(0, 2)), max_size=25
)


@given(changes=CHANGES, size=st.integers(1, 30))
@ON_ONE_STORE
def test_corrections_in_any_sequence_do_what_the_contract_says(
    online: OnlineStore, changes: list[tuple[str, int, int | None]], size: int
) -> None:
    view = f"flights.weather_{uuid4().hex}"
    held: dict[str, tuple[int, int]] = {}
    applied = 0
    replacements: list[Replacement] = []
    for number, (key, named, new) in enumerate(changes):
        after = None if new is None else row(key, event=NOON + new * TICK, temp=number)
        replacements.append(correction(key, event=NOON + named * TICK, row=after))
        if key in held and held[key][0] == named and new is None:
            del held[key]
            applied += 1
        elif new is not None and (key not in held or held[key][0] == named or new >= held[key][0]):
            held[key] = (new, number)
            applied += 1
    starts = range(0, len(replacements), size)
    assert sum(online.replace(view, replacements[at : at + size]) for at in starts) == applied
    assert {key[0]: read(online, view, *key).values["temp"] for key in online.keys(view)} == {
        key: number for key, (_, number) in held.items()
    }
    online.clear(view)


def test_a_store_opened_later_reads_what_another_wrote(online_url: str, view: str) -> None:
    writer = online_store(online_url)
    writer.write(view, [row("EWR", temp=1.0)])
    reader = online_store(online_url)
    assert read(reader, view, "EWR").values == {"temp": 1.0}
    writer.clear(view)
    writer.write(view, [row("EWR", wind=2.0)])
    assert read(reader, view, "EWR", feature="wind").values == {"wind": 2.0}
    reader.close()
    writer.close()
