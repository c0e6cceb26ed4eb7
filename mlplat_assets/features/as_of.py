"""The as-of search: for each entity row, which row of a view was the last one known."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import polars as pl

from mlplat_assets.features.key_codes import key_codes
from mlplat_assets.features.timeline import Timeline

_MICROSECOND = timedelta(microseconds=1)
_UNKNOWN = -(2**62)  # a created time before all others
_FOREVER = 2**61  # microseconds; 73,000 years, and sums of it and a time do not overflow


def in_microseconds(duration: timedelta) -> int:
    """The duration, cut to what is for ever."""
    return min(duration // _MICROSECOND, _FOREVER)


def age_limit(ttl: timedelta | None) -> int:
    """The greatest age in microseconds; None and zero are no limit."""
    return in_microseconds(ttl or timedelta.max)


def reachable(entities: pl.DataFrame, ttl: timedelta | None) -> pl.Expr:
    """Whether a row's `event` can match any of the entities' times `t` (microseconds).

    A row older than every limit is left out safely: were it the last one known, it would be
    expired, and nothing older is used in its place.
    """
    first, last = entities["t"].min(), entities["t"].max()
    if not isinstance(first, int) or not isinstance(last, int):
        return pl.lit(False)
    return pl.col("event").is_between(first - age_limit(ttl), last)


def last_known(
    entities: pl.DataFrame,
    rows: pl.DataFrame,
    *,
    keys: Sequence[str],
    ttl: timedelta | None,
    landing_delay: timedelta,
    known_at: bool,
) -> pl.Series:
    """For each entity, in its order, the position in `rows` of the row known at its time.

    Args:
        entities: Column `t` and the keys; a null in any of them matches nothing.
        rows: Columns `event`, `created` and the keys, as written. No null events.
        keys: Key columns, of one name and type on both sides.
        ttl: Greatest age of a row's event at t, inclusive; None or zero for no limit.
        landing_delay: Time from a row's event to the moment from which it is known.
        known_at: A row is known from its created time, if that is later; never if it is null.
    """
    delay = in_microseconds(landing_delay)
    asked, held, count = key_codes(entities, rows, keys)
    timed = np.flatnonzero((asked >= 0) & entities["t"].is_not_null().to_numpy())
    key, t = asked[timed], entities["t"].fill_null(0).to_numpy()[timed]
    matching = np.flatnonzero(held >= 0)
    if not len(matching):
        return pl.Series([None] * len(entities), dtype=pl.Int64)
    held, event = held[matching], rows["event"].to_numpy()[matching]
    created = rows["created"].fill_null(_UNKNOWN).to_numpy()[matching]

    by_event = Timeline(held, event, created, count)
    if known_at:
        known = np.maximum(event + delay, created)
        known[created == _UNKNOWN] = t.max(initial=0) + 1
        rank = by_event.rank()
        by_known = Timeline(held, known, rank, count)
        # Rows are ordered by key first: those of one key outrank all of the keys before it.
        greatest_yet = np.maximum.accumulate(rank[by_known.order])
        place = by_known.last(key, t)
        row = by_event.order[greatest_yet[place]]
    else:
        place = by_event.last(key, t - delay)
        row = by_event.order[place]
    fresh = (place >= 0) & (t - event[row] <= age_limit(ttl))
    positions = np.full(len(entities), -1)
    positions[timed[fresh]] = matching[row[fresh]]
    found = pl.Series(positions)
    return found.set(found < 0, None)
