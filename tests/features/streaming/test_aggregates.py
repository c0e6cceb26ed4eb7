"""The streaming engine gives exactly the naive rows, whatever happens on the way."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlplat_assets.aggregates import Aggregate, WindowedAggregates
from mlplat_assets.features.streaming.aggregates import SourceRow, SourceState, StreamedView
from tests.features.naive_aggregates import EPOCH, MICROSECOND, naive_rows

MINUTE = 60_000_000
HOP, LONGEST, LATENESS = 10 * MINUTE, 60 * MINUTE, 25 * MINUTE
AGGREGATES = WindowedAggregates(
    source="flights.departures",
    timestamp="ts",
    unit="unit",
    every=timedelta(minutes=10),
    lateness=timedelta(minutes=25),
    stream=True,
    features={
        "count_20m": Aggregate(function="count", window=timedelta(minutes=20)),
        "count_1h": Aggregate(function="count", window=timedelta(hours=1)),
        "sum_20m": Aggregate(function="sum", window=timedelta(minutes=20), column="delay"),
        "mean_1h": Aggregate(function="mean", window=timedelta(hours=1), column="delay"),
        "min_20m": Aggregate(function="min", window=timedelta(minutes=20), column="delay"),
        "max_1h": Aggregate(function="max", window=timedelta(hours=1), column="delay"),
        "late_1h": Aggregate(function="share", window=timedelta(hours=1), column="delay", above=15),
    },
)
VIEW = StreamedView(name="flights.origin_live", entities=("origin",), aggregates=AGGREGATES)
Rows = dict[tuple[tuple, int], tuple]


def naive(rows: Sequence[SourceRow], until: int) -> Rows:
    """The view's rows up to `until`, each computed from all source rows by the definition."""
    events = [{"ts": EPOCH + r.ts * MICROSECOND, "unit": r.unit, **r.columns} for r in rows]
    return {
        ((found["origin"],), t): tuple(found[name] for name in AGGREGATES.features)
        for found in naive_rows(AGGREGATES, VIEW.entities, events)
        if (t := (found["event_timestamp"] - EPOCH) // MICROSECOND) <= until
    }


def row(ts: int, unit: str, origin: str | None = "EWR", delay: int | None = 5) -> SourceRow:
    return SourceRow(ts, unit, {"origin": origin, "delay": delay})


class Replay:
    """A state, what it has written, and what has landed: a restart keeps the last two."""

    def __init__(self) -> None:
        self.state = SourceState([VIEW])
        self.written: Rows = {}
        self.landed: list[SourceRow] = []
        self.duplicates = 0
        self.late: list[tuple[SourceRow, int]] = []

    def apply(self, batch: Sequence[SourceRow]) -> None:
        applied = self.state.apply(batch)
        self.keep(applied.rows)
        self.landed += applied.fresh
        self.duplicates += applied.duplicates
        self.late += [(r, self.state.newest or 0) for r in applied.late]

    def advance(self, to: int) -> None:
        self.keep(self.state.advance(to))

    def keep(self, rows) -> None:
        self.written.update({(r.key, r.t): r.values for r in rows.get(VIEW.name, ())})

    def restart(self, unlanded: Sequence[SourceRow] = ()) -> None:
        """What was applied but not landed comes again, as unacknowledged messages do."""
        self.state = SourceState([VIEW])
        newest = max((r.ts for r in self.landed), default=0)
        start = self.state.retained_from(newest)
        self.state.load([r for r in self.landed if r.ts >= start])
        if unlanded:
            self.apply(unlanded)


@st.composite
def streams(draw: st.DrawFn, max_behind: int) -> list[SourceRow]:
    """Rows in order of arrival, each at most `max_behind` behind the newest before it."""
    newest, rows = 1000 * HOP, []
    for number in range(draw(st.integers(1, 40))):
        step = draw(st.sampled_from([0, 1, MINUTE, 3 * MINUTE, HOP, HOP - 1, 30 * MINUTE]))
        behind = draw(st.sampled_from([0, 0, 0, 1, MINUTE, HOP, LATENESS, LATENESS + 1, 3 * HOP]))
        ts = newest + step if not behind else newest - min(behind, max_behind)
        if draw(st.booleans()):
            ts = (
                ts // HOP * HOP - draw(st.sampled_from([0, 1]))
                if ts // HOP * HOP - 1 >= (newest - max_behind)
                else ts
            )
        newest = max(newest, ts)
        repeated = rows and draw(st.integers(0, 9)) == 0
        unit = draw(st.sampled_from(rows)).unit if repeated else f"u{number}"
        origin = draw(st.sampled_from(["EWR", "EWR", "JFK", None]))
        rows.append(row(ts, unit, origin, draw(st.sampled_from([None, -3, 0, 15, 16, 40]))))
    return rows


@settings(max_examples=400, deadline=None)
@given(streams(LATENESS), st.data())
def test_out_of_order_repeated_and_restarted_gives_the_naive_rows(
    rows: list[SourceRow], data: st.DataObject
) -> None:
    replay = Replay()
    while rows:
        size = data.draw(st.integers(1, len(rows)), label="batch")
        batch, rows = rows[:size], rows[size:]
        what = data.draw(st.sampled_from(["apply", "restart", "lose", "clock"]), label="then")
        if what == "lose":  # killed after the rows were written and before anything landed
            landed = list(replay.landed)
            replay.apply(batch)
            replay.landed = landed
            replay.restart(unlanded=batch)
        else:
            replay.apply(batch)
        if what == "restart":
            replay.restart()
        if what == "clock":
            ahead = data.draw(st.sampled_from([1, HOP, 2 * LONGEST]), label="ahead")
            replay.advance((replay.state.newest or 0) + ahead)
    end = (max(r.ts for r in replay.landed)) + 3 * LONGEST
    replay.advance(end)
    assert replay.late == []
    assert replay.written == naive(replay.landed, end)


@settings(max_examples=300, deadline=None)
@given(streams(10 * LONGEST), st.data())
def test_a_late_row_leaves_wrong_only_what_is_reported(
    rows: list[SourceRow], data: st.DataObject
) -> None:
    replay = Replay()
    while rows:
        size = data.draw(st.integers(1, len(rows)), label="batch")
        replay.apply(rows[:size])
        rows = rows[size:]
        if data.draw(st.booleans(), label="restart"):
            replay.restart()
    end = max(r.ts for r in replay.landed) + 3 * LONGEST
    replay.advance(end)
    expected = naive(replay.landed, end)
    wrong = {at for at in expected | replay.written if expected.get(at) != replay.written.get(at)}
    # A late row can touch rows from its own time to the end of the longest window after it, and
    # only those before the watermark of its arrival are left to the batch run.
    left = {
        (key, t)
        for key, t in wrong
        if any(
            (r.columns["origin"],) == key and r.ts < t <= min(r.ts + LONGEST + 2 * HOP, newest)
            for r, newest in replay.late
        )
    }
    assert wrong == left


def test_a_row_at_the_watermark_is_applied_and_one_before_it_is_late() -> None:
    state = SourceState([VIEW])
    newest = 1000 * HOP + 5 * MINUTE
    state.apply([row(newest, "a")])
    assert state.apply([row(newest - LATENESS, "b")]).late == []
    assert [r.unit for r in state.apply([row(newest - LATENESS - 1, "c")]).late] == ["c"]


def test_a_late_row_revises_from_the_hop_of_the_watermark_on() -> None:
    state = SourceState([VIEW])
    newest = 1000 * HOP + 5 * MINUTE
    watermark = newest - LATENESS
    oldest = state.retained_from(newest)
    assert (watermark, oldest) == (998 * HOP, 991 * HOP)
    state.apply([row(newest, "a")])
    assert state.apply([row(oldest - 1, "unseen", "JFK")]).rows == {}
    (closing,) = state.apply([row(oldest, "closed", "JFK")]).rows[VIEW.name]
    assert (closing.t, closing.values[1]) == (watermark, 0)


def test_a_repeated_unit_counts_once_and_is_not_landed_again() -> None:
    state = SourceState([VIEW])
    state.apply([row(1000 * HOP, "a")])
    again = state.apply([row(1000 * HOP, "a"), row(1000 * HOP + 7, "a", delay=90)])
    assert (again.fresh, again.duplicates, again.rows) == ([], 2, {})


def test_a_unit_is_remembered_for_as_long_as_its_row_is_in_the_state() -> None:
    state = SourceState([VIEW])
    kept, gone = row(1000 * HOP, "kept"), row(1000 * HOP - 1, "gone")
    state.apply([kept, gone])
    newest = 1007 * HOP + LATENESS
    assert state.retained_from(newest) == kept.ts
    state.apply([row(newest, "c")])
    assert state.apply([kept, gone]).fresh == [gone]


def test_a_load_gives_no_rows_out_again() -> None:
    state = SourceState([VIEW])
    state.load([row(1000 * HOP + 1, "a")])
    assert state.advance(1000 * HOP + 1) == {}


def test_a_closing_row_says_empty_once_and_the_entity_is_forgotten() -> None:
    state = SourceState([VIEW])
    state.apply([row(1000 * HOP + 1, "a")])
    rows = state.advance(1000 * HOP + 10 * LONGEST)[VIEW.name]
    assert rows[-1].t == 1001 * HOP + LONGEST
    assert rows[-1].values == (0, 0, None, None, None, None, None)
    assert [r.values[1] for r in rows[:-1]] == [1] * 6


def test_the_clock_cannot_run_backwards() -> None:
    state = SourceState([VIEW])
    state.apply([row(1000 * HOP + 1, "a")])
    state.advance(1003 * HOP)
    assert state.advance(1001 * HOP) == {}
    assert state.advance(1003 * HOP) == {}, "what was given out is not given out again"


def test_memory_is_bounded_by_the_windows_not_by_the_stream() -> None:
    state = SourceState([VIEW])
    sizes = []
    for number in range(4000):
        state.apply([row(1000 * HOP + number * MINUTE, f"u{number}", f"e{number % 7}")])
        sizes.append(tiles_held(state))
    assert max(sizes[1000:]) <= max(sizes[:1000])
    assert len(state._units) <= (LONGEST + LATENESS + 3 * HOP + 60 * MINUTE) // MINUTE


def tiles_held(state: SourceState) -> int:
    entities = state.views[VIEW.name]._entities.values()
    return sum(len(e._tiles) + sum(len(t.rows or ()) for t in e._tiles.values()) for e in entities)


@pytest.mark.parametrize("total", [2**53 + 1, 2**62])
def test_integer_sums_are_exact_beyond_the_doubles(total: int) -> None:
    state = SourceState([VIEW])
    rows = state.apply([row(1000 * HOP, "a", delay=total)]).rows[VIEW.name]
    assert rows[-1].values[2] == total
    assert isinstance(rows[-1].values[2], int)
