"""Days in batches: newest first, at most so many rows at once."""

from datetime import date

from mlplat_assets.features.online.state import Recorded, batches

DAYS = [date(2013, 6, day) for day in range(1, 6)]


def test_days_come_newest_first_in_batches_of_at_most_so_many_rows() -> None:
    sizes = dict(zip(DAYS, (4, 1, 9, 2, 3), strict=True))
    recorded = {day: Recorded(digest="", snapshot=1, rows=rows) for day, rows in sizes.items()}
    made = batches(DAYS, recorded, 5)
    assert made == [[DAYS[4], DAYS[3]], [DAYS[2]], [DAYS[1], DAYS[0]]]
    assert batches([], recorded, 5) == []
