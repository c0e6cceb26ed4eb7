"""Rows of a stream in the lake: each once, over midnight too, and found again by a restart."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlplat_assets.features.streaming.aggregates import SourceRow
from mlplat_assets.features.streaming.landing import Batch, land, landed
from mlplat_assets.features.streaming.sources import aggregates_of, moment
from resources.lake import Lake, lake_from
from tests.features.small_frames import MICROSECOND
from tests.features.streaming.live_departures import RAW_TABLE, at, departure, messages, source
from tests.small_home import settings_at

AGGREGATES = aggregates_of(source().views[0])
REACH = AGGREGATES.longest + AGGREGATES.every
MIDNIGHT = datetime(2013, 1, 6, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    lake = lake_from(settings_at(tmp_path))
    yield lake
    lake.close()


def rows(*departures: tuple[datetime, str]) -> list[SourceRow]:
    """Source rows of (moment, unit)."""
    sent = messages([departure(moment, unit) for moment, unit in departures])
    return source().decode(b"[" + b",".join(sent) + b"]", at(23, days=9))


def test_a_repeat_within_the_reach_does_not_land_on_whatever_day(lake: Lake) -> None:
    apart = {
        "after": REACH,
        "long after": REACH + MICROSECOND,
        "before": -REACH,
        "long before": -REACH - MICROSECOND,
    }
    land(lake, source(), Batch(fresh=rows(*((MIDNIGHT, unit) for unit in apart))), "first")
    for unit, by in apart.items():
        land(lake, source(), Batch(fresh=rows((MIDNIGHT + by, unit))), "again")
    found = lake.read(
        f"select flight_id from {RAW_TABLE} where departed_at <> ?", [MIDNIGHT.replace(tzinfo=None)]
    )
    assert set(found["flight_id"].to_pylist()) == {"long after", "long before"}


def test_a_batch_over_midnight_landed_again_changes_no_digest(lake: Lake) -> None:
    applied = source().state().apply(rows((at(23, 50), "a"), (MIDNIGHT + 10 * MICROSECOND, "b")))
    batch = Batch(fresh=applied.fresh)
    batch.add_rows(applied.rows)
    first = land(lake, source(), batch, "first")
    assert {version.day.day for version in first if version.changed} == {5, 6}
    assert not any(version.changed for version in land(lake, source(), batch, "again"))


def test_of_rows_of_one_key_and_time_the_last_lands() -> None:
    batch, state = Batch(), source().state()
    for unit in ("a", "b"):
        batch.add_rows(state.apply(rows((at(10), unit))).rows)
    (landing,) = batch.rows.values()
    place = list(AGGREGATES.features).index("departures_1h")
    assert [values[place] for values in landing.values()] == [2]


def test_a_restart_takes_in_exactly_the_rows_of_the_state_over_midnight(lake: Lake) -> None:
    newest = MIDNIGHT + timedelta(minutes=10)
    (newest_row,) = rows((newest, "newest"))
    first = moment(source().state().retained_from(newest_row.ts))
    assert first.date() < newest.date()
    sent = rows((first - MICROSECOND, "too old"), (first, "first"), (newest, "newest"))
    land(lake, source(), Batch(fresh=sent), "run")
    assert [row.unit for row in landed(lake, source())] == ["first", "newest"]
