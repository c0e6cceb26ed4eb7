"""Which labels have come, which are early, and which are due and missing."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from mlplat_assets.monitoring.performance.served import Series


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """The labels of a series at a moment.

    Attributes:
        labelled: How many are known.
        late: How many of these came later than the declared delay.
        early: How many are unknown and may well be, the delay not being over.
        missing: How many are unknown after it.
    """

    labelled: int
    late: int
    early: int
    missing: int

    @property
    def served(self) -> int:
        """How many predictions there are."""
        return self.labelled + self.early + self.missing


def arrivals(series: Series, delay: timedelta, at: datetime) -> Arrivals:
    """Count the labels of a series, at a UTC-aware moment."""
    due = pl.col("event_timestamp") + delay
    known = pl.col("label").is_not_null()
    over = due <= at.astimezone(UTC).replace(tzinfo=None)
    counted = series.rows.select(
        labelled=known.sum(),
        late=(known & (pl.col("labelled_at") > due)).sum(),
        early=(~known & ~over).sum(),
        missing=(~known & over).sum(),
    )
    return Arrivals(**counted.row(0, named=True))
