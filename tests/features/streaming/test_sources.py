"""Messages of a source: times in UTC whatever their zone, none before 1970 or far ahead."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from mlplat_assets.features.streaming.sources import AHEAD, EPOCH, InvalidRows
from tests.features.small_frames import MICROSECOND
from tests.features.streaming.live_departures import at, departure, source

NOW = at(12)


def moments(*sent: str) -> list[datetime]:
    """The decoded times of rows with these as their text."""
    body = [departure(NOW, "a", departed_at=text) for text in sent]
    found = source().decode(json.dumps(body).encode(), NOW)
    assert [row.ts * MICROSECOND for row in found] == [
        row.columns["departed_at"] - EPOCH for row in found
    ]
    return [row.columns["departed_at"] for row in found]


def test_a_time_is_the_same_moment_in_every_zone_and_a_naive_one_is_utc() -> None:
    east = at(10).astimezone(timezone(timedelta(hours=5, minutes=30)))
    naive = at(10).replace(tzinfo=None)
    assert moments(east.isoformat(), naive.isoformat()) == [at(10)] * 2
    assert all(found.tzinfo is UTC for found in moments(east.isoformat()))


def test_the_first_and_the_last_moment_that_may_be_sent() -> None:
    ends = [EPOCH, NOW + AHEAD]
    assert moments(*(end.isoformat() for end in ends)) == ends
    for beyond, says in ((EPOCH - MICROSECOND, "before 1970"), (ends[1] + MICROSECOND, "future")):
        with pytest.raises(InvalidRows, match=says):
            moments(beyond.isoformat())
