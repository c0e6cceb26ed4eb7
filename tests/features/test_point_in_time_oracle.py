"""The point-in-time join against an oracle of a few lines, on generated data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from mlplat_assets.features.point_in_time import ViewFrame, point_in_time_join
from tests.features.small_frames import KINDS, MICROSECOND


def microseconds(time: datetime) -> int:
    """The time as whole microseconds since 1970."""
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // MICROSECOND


START = datetime(2013, 11, 3, 5, 59, 59, 999_998, tzinfo=UTC)
ZONES = (None, "UTC", "America/New_York", "+05:30")
TEXTS = (None, "a", "ab", "b", "")
NUMBERS = (None, 1, 11, 2**53, 2**53 + 1, -1)
FAR = [microseconds(datetime(year, 1, 1, tzinfo=UTC)) for year in (2, 9998)]

Moment = int | None  # microseconds since 1970
Row = tuple[Moment, Moment, tuple[str | int | None, ...]]  # event or asked, created, keys


def oracle(
    asked: Sequence[Row], rows: Sequence[Row], ttl: int | None, delay: int, known_at: bool
) -> Iterator[int | None]:
    """The position of the row that each asked time and key gets, by looking at every row."""
    for t, _, keys in asked:
        best: tuple[int, bool, int, int] | None = None
        for position, (event, created, held) in enumerate(rows):
            if t is None or event is None or None in keys or keys != held or event + delay > t:
                continue
            if known_at and (created is None or created > t):
                continue
            rank = (event, created is not None, created or 0, position)
            best = rank if best is None else max(best, rank)
        expired = best is not None and t is not None and ttl and t - best[0] > ttl
        yield None if best is None or expired else best[3]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A join with everything that the oracle needs to know of it."""

    asked: list[Row]
    rows: list[Row]
    ttl: int | None
    delay: int
    known_at: bool
    keys: tuple[str, ...]
    zones: tuple[str | None, str | None]
    kinds: tuple[str, str]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Few keys and few moments, so that ties, exact bounds and expired rows are common.

    Far moments among the near ones leave the engine no room for microseconds in its packed order.
    """
    random = Random(draw(st.integers(0, 2**32)))
    keys = draw(st.sampled_from([(), ("text",), ("number",), ("text", "number")]))
    few = draw(st.integers(1, 5))
    moments = [None, *(microseconds(START) + step for step in range(4 * few))]
    moments += draw(st.sampled_from([[], FAR]))

    def row() -> Row:
        values = {"text": random.choice(TEXTS[:few]), "number": random.choice(NUMBERS[: few + 1])}
        return random.choice(moments), random.choice(moments), tuple(values[key] for key in keys)

    return Case(
        asked=[row() for _ in range(draw(st.integers(0, 200)))],
        rows=[row() for _ in range(draw(st.integers(0, 200)))],
        ttl=draw(st.sampled_from([None, 0, 1, 2, 3, 10])),
        delay=draw(st.sampled_from([0, 0, 2])),
        known_at=draw(st.booleans()),
        keys=keys,
        zones=(draw(st.sampled_from(ZONES)), draw(st.sampled_from(ZONES))),
        kinds=(draw(st.sampled_from(list(KINDS)[:-1])), draw(st.sampled_from(list(KINDS)))),
    )


def table(rows: Sequence[Row], keys: tuple[str, ...], zone: str | None) -> pa.Table:
    """The rows as `event_timestamp`, `created`, the keys, and `value`, their position."""
    types = {"text": pa.string(), "number": pa.int64()}
    stamp = pa.timestamp("us", zone)
    columns = {
        "event_timestamp": pa.array([row[0] for row in rows], stamp),
        "created": pa.array([row[1] for row in rows], stamp),
    }
    for i, key in enumerate(keys):
        columns[key] = pa.array([row[2][i] for row in rows], types[key])
    # Every third value is null: a latest value of null must not fall back to an older one.
    values = [None if i % 3 == 0 else i for i in range(len(rows))]
    return pa.table({**columns, "value": pa.array(values, pa.int64())})


@settings(max_examples=150, deadline=None, derandomize=True)
@given(cases())
def test_every_join_gives_what_the_oracle_finds(case: Case) -> None:
    asked = table(case.asked, case.keys, case.zones[0]).rename_columns({"value": "label"})
    asked = asked.drop_columns("created")
    rows = table(case.rows, case.keys, case.zones[1])
    view = ViewFrame(
        "team.view",
        KINDS[case.kinds[1]](rows),  # type: ignore[arg-type]
        case.keys,
        ("value",),
        "event_timestamp",
        "created",
        ttl=None if case.ttl is None else case.ttl * MICROSECOND,
        landing_delay=case.delay * MICROSECOND,
    )
    entities = KINDS[case.kinds[0]](asked)
    joined = point_in_time_join(entities, [view], known_at=case.known_at, provenance=True)  # type: ignore[arg-type]

    expected = list(oracle(case.asked, case.rows, case.ttl, case.delay, case.known_at))
    assert joined.column_names == [*asked.column_names, "value", "view__event_timestamp"]
    for name in asked.column_names:
        assert plain(joined[name]) == plain(asked[name])
    value = rows["value"].to_pylist()
    assert joined["value"].to_pylist() == [None if i is None else value[i] for i in expected]
    times = joined["view__event_timestamp"]
    assert times.type == pa.timestamp("us", "UTC")
    assert times.cast(pa.int64()).to_pylist() == [
        None if i is None else case.rows[i][0] for i in expected
    ]


def plain(column: pa.ChunkedArray) -> list[object]:
    """The values without their zone: instants as integers."""
    stamps = pa.types.is_timestamp(column.type)
    return (column.cast(pa.int64()) if stamps else column).to_pylist()
