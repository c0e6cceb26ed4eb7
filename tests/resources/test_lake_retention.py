"""The lake lets go of what no kept snapshot reads, and every kept snapshot reads as before."""

import random
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from resources.lake import Lake
from resources.lake_retention import (
    delete_unread,
    expire,
    old_snapshots,
    unread_without,
    waiting_since,
)

DAYS = [date(2013, month, 1) for month in (1, 2, 3)]
TABLE = "features.flights__weather"
LATER = timedelta(days=1)


def write(lake: Lake, day: date, value: float) -> int:
    """Replace a day by enough rows for a file of its own; the snapshot of it."""
    rows = pa.table({"temp": [value] * 500, "partition_day": [day] * 500})
    lake.replace_days(TABLE, rows, day, day)
    return lake.snapshot()


def content(lake: Lake, snapshot: int) -> list[tuple[date, float, int]]:
    found = lake.read(
        f"""select partition_day, temp, count(*) as n from {TABLE} at (version => {snapshot})
            group by all order by all"""
    )
    return [tuple(row.values()) for row in found.to_pylist()]


def test_whatever_is_rewritten_the_kept_snapshots_read_as_before(lake: Lake) -> None:
    """The oracle is what each snapshot held when it was taken."""
    chance = random.Random(11)
    held: dict[int, list[tuple[date, float, int]]] = {}
    for value in range(12):
        snapshot = write(lake, chance.choice(DAYS), float(value))
        held[snapshot] = content(lake, snapshot)
    now = datetime.now(UTC) + LATER
    kept = set(chance.sample(sorted(held), 4))
    gone = old_snapshots(lake, now, kept)
    newest = max(held)
    assert set(held) - set(gone) == kept | {newest}
    unread = unread_without(lake, gone)
    assert unread.files > 0
    expire(lake, gone)
    waiting = waiting_since(lake, now)
    assert len(waiting) >= unread.files
    assert set(delete_unread(lake, now)) == set(waiting)
    assert waiting_since(lake, now) == []
    lake.close()
    for snapshot in kept | {newest}:
        assert content(lake, snapshot) == held[snapshot]
    for snapshot in set(held) - kept - {newest}:
        with pytest.raises(Exception, match="snapshot"):
            content(lake, snapshot)


def test_a_young_snapshot_and_a_file_that_may_have_readers_stay(lake: Lake) -> None:
    first = write(lake, DAYS[0], 1.0)
    write(lake, DAYS[0], 2.0)
    past = datetime.now(UTC) - LATER
    assert old_snapshots(lake, past, ()) == []
    expire(lake, old_snapshots(lake, past + 2 * LATER, ()))
    assert first not in old_snapshots(lake, past + 2 * LATER, ())
    assert waiting_since(lake, past) == [] == delete_unread(lake, past)
    assert waiting_since(lake, past + 2 * LATER)


def test_the_newest_snapshot_is_never_old(lake: Lake) -> None:
    newest = write(lake, DAYS[0], 1.0)
    later = datetime.now(UTC) + LATER
    assert newest not in old_snapshots(lake, later, ())
    expire(lake, [])
    assert content(lake, newest) == [(DAYS[0], 1.0, 500)]
