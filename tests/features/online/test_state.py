"""Days in batches, and what is remembered of a day while it is written."""

from datetime import date

from mlplat_assets.features.online.state import DayState, Recorded, Version, batches

DAYS = [date(2013, 6, day) for day in range(1, 6)]


def test_days_come_newest_first_in_batches_of_at_most_so_many_rows() -> None:
    sizes = dict(zip(DAYS, (4, 1, 9, 2, 3), strict=True))
    recorded = {day: Recorded(digest="", snapshot=1, rows=rows) for day, rows in sizes.items()}
    made = batches(DAYS, recorded, 5)
    assert made == [[DAYS[4], DAYS[3]], [DAYS[2]], [DAYS[1], DAYS[0]]]
    assert batches([], recorded, 5) == []


def test_while_a_version_is_written_rows_of_the_versions_before_may_be_online_too() -> None:
    first, second = (Version(digest=digest, snapshot=n) for n, digest in enumerate("ab"))
    begun = DayState(versions=(first,), finished=True).beginning(second)
    assert begun == DayState(versions=(first, second), finished=False)
    assert begun.beginning(second) == begun
