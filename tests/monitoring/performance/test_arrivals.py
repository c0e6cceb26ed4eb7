"""A label that is not there yet is early until it is due, and missing from then on."""

from datetime import date, timedelta

import polars as pl
import pytest

from mlplat_assets.monitoring.performance.arrivals import Arrivals, arrivals
from mlplat_assets.monitoring.performance.served import Series
from tests.monitoring.performance.simulated import moment, served

DELAY = timedelta(hours=4)


def day(labelled: int) -> Series:
    """24 predictions of one day, an hour apart; each label takes five hours."""
    hours = [moment(0, hour).replace(tzinfo=None) for hour in range(24)]
    known = pl.Series([at if place < labelled else None for place, at in enumerate(hours)])
    rows = served(1, 24).with_columns(
        event_timestamp=pl.Series(hours),
        labelled_at=known + timedelta(hours=5),
        label=pl.Series([0 if place < labelled else None for place in range(24)]),
    )
    return Series(day=date(2013, 1, 5), days=1, version=1, variant="champion", rows=rows)


@pytest.mark.parametrize(("hour", "missing"), [(12, 0), (16, 3), (24, 11), (48, 14)])
def test_what_is_due_and_not_there_is_missing(hour: int, missing: int) -> None:
    found = arrivals(day(labelled=10), DELAY, moment(0, hour))
    assert found == Arrivals(labelled=10, late=10, early=14 - missing, missing=missing)
    assert found.served == 24


def test_a_label_within_the_delay_is_not_late() -> None:
    found = arrivals(day(labelled=10), timedelta(hours=5), moment(2))
    assert (found.labelled, found.late) == (10, 0)
