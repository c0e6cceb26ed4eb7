"""Training, validation and holdout by time: what is learnt is older than what judges it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from mlplat_assets.model_spec import TimeSplit


@dataclass(frozen=True, kw_only=True)
class Period:
    """A span of decision times: `start` inclusive, `end` exclusive, both UTC-aware."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        """The days from first to last, as `2013-01-01 to 2013-01-31`."""
        return f"{self.start:%Y-%m-%d} to {self.last:%Y-%m-%d}"

    @property
    def last(self) -> datetime:
        """The last instant inside, to the microsecond; its date is the last day."""
        return max(self.start, self.end - timedelta(microseconds=1))

    def iso(self) -> dict[str, str]:
        """First and last day, ISO 8601, for a card or for evidence."""
        return {"first": self.start.date().isoformat(), "last": self.last.date().isoformat()}


@dataclass(frozen=True, kw_only=True)
class Split:
    """Three frames, consecutive in time, and the period of each by its name."""

    train: pl.DataFrame
    validation: pl.DataFrame
    holdout: pl.DataFrame
    periods: dict[str, Period]


def split(
    frame: pl.DataFrame,
    policy: TimeSplit,
    *,
    as_of: datetime,
    event_timestamp: str = "event_timestamp",
    label: str | None = None,
) -> Split:
    """Cuts rows by decision time; the holdout ends where `as_of` stands, exclusive.

    Rows at or after `as_of`, and rows older than the training period, are in no part. A naive
    event timestamp is UTC. Order of rows is kept.

    Args:
        frame: Labelled rows.
        policy: Lengths of the parts, in periods of 24 hours.
        as_of: The end of the holdout, UTC-aware, usually a midnight.
        event_timestamp: Column of the decision time.
        label: Give it for a classifier: every part then needs two classes.

    Raises:
        ValueError: `as_of` is naive, a part is empty, or a part's label has one class.
    """
    if as_of.utcoffset() is None:
        raise ValueError(f"as_of {as_of.isoformat()} is naive; give a UTC-aware datetime")
    as_of = as_of.astimezone(UTC)
    times = utc(frame[event_timestamp])
    periods = {
        name: period for name, period in spans(policy, as_of, times) if period.start < period.end
    }
    parts = {
        name: frame.filter((times >= period.start) & (times < period.end))
        for name, period in periods.items()
    }
    for name in ("train", "validation", "holdout"):
        if name not in parts or parts[name].is_empty():
            raise ValueError(empty(name, periods.get(name), policy, times, as_of))
        if label is not None:
            refuse_one_class(name, parts[name][label], periods[name])
    return Split(**parts, periods=periods)


def utc(times: pl.Series) -> pl.Series:
    """Timestamps as UTC with microseconds, naive ones taken as UTC."""
    micro = times.cast(pl.Datetime("us", getattr(times.dtype, "time_zone", None)))
    if getattr(times.dtype, "time_zone", None) is None:
        return micro.dt.replace_time_zone("UTC")
    return micro.dt.convert_time_zone("UTC")


def spans(policy: TimeSplit, as_of: datetime, times: pl.Series) -> list[tuple[str, Period]]:
    """The three periods, newest first; training without a length begins at the oldest row."""
    holdout = as_of - timedelta(days=policy.holdout_days)
    validation = holdout - timedelta(days=policy.validation_days)
    oldest = times.min()
    first = oldest if isinstance(oldest, datetime) else validation
    if policy.train_days is not None:
        first = validation - timedelta(days=policy.train_days)
    return [
        ("holdout", Period(start=holdout, end=as_of)),
        ("validation", Period(start=validation, end=holdout)),
        ("train", Period(start=first, end=validation)),
    ]


def empty(
    name: str, period: Period | None, policy: TimeSplit, times: pl.Series, as_of: datetime
) -> str:
    """The sentence for a part without rows: which days it wanted, which days there are."""
    wanted = f" ({period})" if period else ""
    oldest, newest = times.min(), times.max()
    there = f"{oldest:%Y-%m-%d} to {newest:%Y-%m-%d}" if oldest is not None else "none"
    return (
        f"the {name} part{wanted} has no rows as of {as_of:%Y-%m-%d %H:%M} UTC; the frame's days "
        f"are {there}; the split is {policy.train_days or 'all older'} train, "
        f"{policy.validation_days} validation, {policy.holdout_days} holdout days: "
        "load more days, or shorten the split"
    )


def refuse_one_class(name: str, label: pl.Series, period: Period) -> None:
    """Raises where a part's label has a null, or fewer than two classes."""
    if label.null_count():
        raise ValueError(f"{label.null_count()} of {len(label)} {name} rows have no {label.name!r}")
    if label.n_unique() < 2:
        raise ValueError(
            f"all {len(label)} {name} rows of {period} have {label.name} = {label[0]}; "
            "a classifier needs both classes: widen the split"
        )
