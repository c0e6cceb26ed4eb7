"""Rows of streamed views as the online store takes them: the newest of each key."""

from mlplat_assets.features.streaming.online import newest_rows
from mlplat_assets.features.streaming.tiles import ViewRow
from tests.features.streaming.live_departures import at


def test_of_a_key_the_newest_row_is_written_and_of_equal_times_the_last() -> None:
    times = [int(at(hour).timestamp() * 1e6) for hour in (9, 10)]
    given = [(times[1], 1), (times[0], 2), (times[1], 3), (times[0], 4)]
    (row,) = newest_rows([ViewRow(("EWR",), t, (count,)) for t, count in given], ("count",))
    assert (row.event_timestamp, row.values) == (at(10), {"count": 3})
