"""Spans of days, and their scores in the lake."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlplat_assets.scoring.question import Days
from mlplat_assets.scoring.scores import SCHEMA, Target, spans
from mlplat_assets.scoring.writing import write_days
from resources.lake import Lake, lake_from
from tests.small_home import settings_at

TABLE = "scores.flights__arrival_delay"
FIRST = date(2013, 1, 5)
WEEK = Days(first=FIRST, last=FIRST + timedelta(days=6))


@settings(deadline=None)
@given(counts=st.lists(st.integers(0, 30), min_size=1, max_size=40), rows=st.integers(1, 50))
def test_spans_hold_every_day_once_and_no_more_rows_than_asked(
    counts: list[int], rows: int
) -> None:
    by_day = {FIRST + timedelta(days=n): count for n, count in enumerate(counts)}
    whole = Days(first=FIRST, last=max(by_day))
    found = spans(whole, by_day, rows)
    assert [day for span in found for day in span.days()] == list(by_day)
    for span in found:
        held = [by_day[day] for day in span.days() if by_day[day]]
        assert sum(held) <= rows or len(held) == 1


def target(version: int = 1, snapshot: int = 7) -> Target:
    return Target(model="flights.x", version=version, artifact_digest="d", snapshot=snapshot)


def part(made_by: Target, *predictions: tuple[int, float]) -> pa.Table:
    """A row for each day of the week with its prediction."""
    days = [FIRST + timedelta(days=day) for day, _ in predictions]
    rows = [
        {
            "version": made_by.version,
            "artifact_digest": made_by.artifact_digest,
            "unit_id": f"u{day}",
            "event_timestamp": datetime.combine(day, datetime.min.time()),
            "entities": "{}",
            "prediction": value,
            "partition_day": day,
            "lake_snapshot": made_by.snapshot,
        }
        for day, (_, value) in zip(days, predictions, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def write(lake: Lake, made_by: Target, *parts: pa.Table) -> list[int]:
    """Write the week; gives the days of it that were replaced."""
    written = write_days(lake, TABLE, made_by, WEEK, iter(parts))
    assert written.rows == sum(one.num_rows for one in parts)
    return [(day - FIRST).days for day in written.changed]


def held(lake: Lake, version: int) -> list[tuple[int, float, int]]:
    """Day, prediction and snapshot of a version's rows."""
    rows = lake.read(
        f"""select partition_day, prediction, lake_snapshot from {TABLE}
            where version = ? order by 1""",
        [version],
    ).to_pylist()
    return [((r["partition_day"] - FIRST).days, r["prediction"], r["lake_snapshot"]) for r in rows]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lake_from(settings_at(tmp_path))


def test_a_version_s_days_are_replaced_and_those_of_others_are_not(lake: Lake) -> None:
    parts = part(target(1), (0, 0.1), (1, 0.2)), part(target(1), (4, 0.5))
    assert write(lake, target(1), *parts) == [0, 1, 4]
    assert write(lake, target(2), part(target(2), (1, 0.7))) == [1]
    assert write(lake, target(1), part(target(1), (0, 0.1), (4, 0.6))) == [1, 4]
    assert held(lake, 1) == [(0, 0.1, 7), (4, 0.6, 7)]
    assert held(lake, 2) == [(1, 0.7, 7)]


def test_a_day_that_is_scored_again_to_the_same_rows_is_left_as_it_was(lake: Lake) -> None:
    write(lake, target(), part(target(), (0, 0.1), (1, 0.2)))
    before = lake.snapshot()
    again = target(snapshot=9)
    assert write(lake, again, part(again, (0, 0.1), (1, 0.2))) == []
    assert lake.snapshot() == before, "nothing was written"
    assert write(lake, again, part(again, (0, 0.1), (1, 0.2), (2, 0.3))) == [2]
    assert held(lake, 1) == [(0, 0.1, 7), (1, 0.2, 7), (2, 0.3, 9)]


def test_scores_that_break_off_leave_the_days_as_they_were(lake: Lake) -> None:
    write(lake, target(), part(target(), (0, 0.1)))

    def broken() -> Iterator[pa.Table]:
        yield part(target(), (0, 0.9))
        raise ValueError("a prediction is no number")

    with pytest.raises(ValueError, match="no number"):
        write_days(lake, TABLE, target(), WEEK, broken())
    assert held(lake, 1) == [(0, 0.1, 7)]
