"""The SQL of windowed aggregates against their definition, on generated events.

The SQL is what dbt makes of a declaration. Values are compared to the last bit.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from tests.features.compiled_aggregates import CompiledView, aggregates, compile_views
from tests.features.naive_aggregates import EPOCH, MICROSECOND, floor, naive_rows

START = datetime(2013, 1, 10)  # noqa: DTZ001  the lake keeps UTC without a zone
FIRST, LAST = date(2013, 1, 11), date(2013, 1, 15)
DECLARED = {
    "quarters": {
        "entities": ["key"],
        "aggregates": aggregates("15 minutes", ["15 minutes", "3 hours", "1 hour"], stream=True),
    },
    "days": {"entities": ["key", "number"], "aggregates": aggregates("1 day", ["2 days", "1 day"])},
    # Hops that divide no day: a window of days begins and ends within one.
    "sevens": {
        "entities": ["number"],
        "aggregates": aggregates("7 hours", ["7 hours", "21 hours"], stream=True),
    },
}
SHAPES = sorted(DECLARED)
# Planning the SQL takes twenty times as long as running it, so that one run is of many worlds:
# histories that share no unit and no entity.
WORLDS = 10
EXAMPLES = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

Event = dict[str, Any]


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CompiledView]:
    return compile_views(tmp_path_factory.mktemp("dbt"), DECLARED)


def moments(every: timedelta) -> st.SearchStrategy[datetime | None]:
    """Times in few hops of five days, on their edges or a microsecond beside, or anywhere."""
    hops = int(timedelta(days=5) / every)
    few = st.sampled_from([0, 1, 2, 3, hops // 5, hops // 5 + 1, hops // 2])
    edges = st.builds(
        lambda hop, beside: floor(START, every) + hop * every + beside * MICROSECOND,
        few | st.integers(0, hops),
        st.sampled_from([-2, -1, 0, 0, 1]),
    )
    anywhere = st.integers(0, 5 * 86_400_000_000 - 1).map(lambda us: START + us * MICROSECOND)
    return st.one_of(edges, edges, anywhere, st.none())


def events(every: timedelta) -> st.SearchStrategy[list[Event]]:
    """Source rows in the order in which they landed; nulls, ties and repeated units among them."""
    wholes = st.integers(-3, 17) | st.integers(-(2**40), 2**40)
    weights = st.sampled_from([0.1, 0.2, 0.7, 1.0, 1e16, -2.5]) | st.floats(-1e9, 1e9)
    event = st.fixed_dictionaries(
        {
            "id": st.sampled_from(["a", "b", "c", None]) | st.uuids(version=4).map(str),
            "key": st.sampled_from(["EWR", "EWR", "JFK", None]),
            "number": st.sampled_from([7, 7, -1, None]),
            "at": moments(every),
            "whole": st.none() | wholes,
            "weight": st.none() | weights | st.just(float("nan")),
        }
    )
    return st.lists(event, max_size=40).map(landed)


def worlds(every: timedelta) -> st.SearchStrategy[list[Event]]:
    """Source rows of several histories, one after the other."""
    return st.lists(events(every), min_size=WORLDS, max_size=WORLDS).map(
        lambda found: [apart(row, world) for world, rows in enumerate(found) for row in rows]
    )


def apart(row: Event, world: int) -> Event:
    """The row with a unit and entities that no other world has."""
    texts = {name: f"{world}/{row[name]}" for name in ("id", "key") if row[name] is not None}
    number = row["number"] if row["number"] is None else row["number"] + 100 * world
    return {**row, **texts, "number": number}


def landed(rows: Sequence[Event]) -> list[Event]:
    """Each row in the source's partition of its day."""
    days = [row["at"].date() if row["at"] else FIRST for row in rows]
    return [{**row, "partition_day": day} for row, day in zip(rows, days, strict=True)]


def expected(view: CompiledView, rows: Sequence[Event], first: date, last: date) -> list[Event]:
    assert view.spec.aggregates is not None
    keys = [entity.name for entity in view.spec.entities]
    found = naive_rows(view.spec.aggregates, keys, rows)
    return [row for row in found if first <= row["partition_day"] <= last]


@pytest.mark.parametrize("shape", SHAPES)
def test_tiles_give_what_the_definition_says(shape: str, views: dict[str, CompiledView]) -> None:
    view = views[shape]
    assert view.spec.aggregates is not None

    @EXAMPLES
    @given(rows=worlds(view.spec.aggregates.every))
    def holds(rows: list[Event]) -> None:
        assert view.rows(rows, FIRST, LAST) == expected(view, rows, FIRST, LAST)

    holds()


@pytest.mark.parametrize("shape", SHAPES)
def test_day_by_day_gives_what_one_run_gives(shape: str, views: dict[str, CompiledView]) -> None:
    view = views[shape]
    assert view.spec.aggregates is not None
    days = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]

    @settings(EXAMPLES, max_examples=4)
    @given(rows=worlds(view.spec.aggregates.every))
    def holds(rows: list[Event]) -> None:
        single = [row for day in days for row in view.rows(rows, day, day)]
        assert {row["partition_day"] for row in single} <= set(days)
        keys = [*(entity.name for entity in view.spec.entities), "event_timestamp"]
        single.sort(key=lambda row: [row[key] for key in keys])
        assert single == view.rows(rows, FIRST, LAST)

    holds()


# Each as a change of the SQL that the macro makes.
MUTANTS = {
    "a row exactly at t counts": (
        "days",
        [
            (
                r"interval '86400 seconds', _at,",
                r"interval '86400 seconds', _at - interval 1 microsecond,",
            )
        ],
    ),
    "the hop that begins at t counts": ("days", [(r"and 1 preceding", "and current row")]),
    "a mean is a mean of means": (
        "days",
        [
            (r"sum\(whole__value\) as", "avg(whole__value) as"),
            (r"sum\((case when _t = _hop then whole__sum end\))", r"avg(\1"),
            (r"whole__sum__(\d+)::double / nullif\(.*?\)::double", r"whole__sum__\1"),
            (r"whole__sum__(\d+)::bigint", r"whole__sum__\1"),
        ],
    ),
    "a maximum never falls": (
        "quarters",
        [(r"(max\(case[^(]*\(in_run rows between )\d+ preceding", r"\1unbounded preceding")],
    ),
    "a repeated unit counts again": ("days", [(r"and \(_copied_at is null.*\)", "")]),
    "nothing closes an emptied window": (
        "quarters",
        [(r"_hop \+ interval '11700 seconds', \(date", "_hop + interval '10800 seconds', (date")],
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mistake_in_the_sql_is_found(mutant: str, views: dict[str, CompiledView]) -> None:
    shape, changes = MUTANTS[mutant]
    view = views[shape]
    sql = view.sql
    for pattern, replacement in changes:
        sql, changed = re.subn(pattern, replacement, sql)
        assert changed, pattern
    broken = CompiledView(spec=view.spec, sql=sql)
    means = [f.name for f in view.spec.features if "whole_mean" in f.name]

    def differs(rows: list[Event]) -> bool:
        made, true = broken.rows(rows, FIRST, LAST), expected(view, rows, FIRST, LAST)
        if mutant == "a mean is a mean of means":
            made, true = [[{n: row[n] for n in means} for row in side] for side in (made, true)]
        return made != true

    assert view.spec.aggregates is not None
    searching = settings(EXAMPLES, max_examples=100, phases=[Phase.generate], derandomize=True)
    try:
        find(worlds(view.spec.aggregates.every), differs, settings=searching)
    except NoSuchExample:
        pytest.fail(f"no generated events show that {mutant}")


def test_doubles_are_added_in_the_order_of_their_times(views: dict[str, CompiledView]) -> None:
    view, noon = views["days"], datetime(2013, 1, 11, 12)  # noqa: DTZ001  as above
    # In this order the sum is 0, in the order of landing it is 1.
    in_time = enumerate([1.0, 1e16, -1e16])
    rows = [
        {
            "id": str(place),
            "key": "EWR",
            "number": 7,
            "at": noon + place * timedelta(minutes=1),
            "whole": None,
            "weight": weight,
        }
        for place, weight in in_time
    ]
    backwards = landed(rows[::-1])
    assert view.rows(backwards, FIRST, LAST) == expected(view, backwards, FIRST, LAST)
    newest_first = view.sql.replace("order by _at, _unit)", "order by _at desc, _unit)")
    assert newest_first != view.sql
    mistaken = CompiledView(spec=view.spec, sql=newest_first)
    assert mistaken.rows(backwards, FIRST, LAST) != expected(view, backwards, FIRST, LAST)


def test_a_source_that_is_empty_gives_no_rows_of_the_declared_types(
    views: dict[str, CompiledView],
) -> None:
    for view in views.values():
        empty = view.build([], FIRST, LAST)
        assert empty.num_rows == 0
        assert empty.column_names == view.columns
        stored = {"int": "int64", "float": "double"}
        for feature in view.spec.features:
            assert str(empty.schema.field(feature.name).type) == stored[feature.dtype]


def test_hops_are_counted_from_1970_even_before_it(views: dict[str, CompiledView]) -> None:
    at = EPOCH - timedelta(hours=1)
    rows = landed([{"id": "a", "key": "EWR", "number": 7, "at": at, "whole": 1, "weight": None}])
    first, last = date(1969, 12, 30), date(1970, 1, 3)
    for view in views.values():
        made = view.rows(rows, first, last)
        assert made == expected(view, rows, first, last)
        assert made
