"""Windowed aggregates written straight from their definition, one value at a time and slowly.

What SQL and stream compute in tiles must equal this to the last bit.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from mlplat_assets.aggregates import Aggregate, WindowedAggregates

Row = Mapping[str, Any]
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  the lake keeps UTC without a zone
MICROSECOND = timedelta(microseconds=1)


def naive_rows(
    aggregates: WindowedAggregates, entities: Sequence[str], events: Iterable[Row]
) -> list[dict[str, Any]]:
    """The rows of a view over all events, by entity and time.

    Args:
        aggregates: What the view declares.
        entities: The names of its entity keys.
        events: Rows of the source in the order in which they landed; timestamps are UTC without a
            zone.

    Returns:
        Rows of entity keys, `event_timestamp`, `created_timestamp`, `partition_day` and features.
    """
    counted = _counted(aggregates, entities, events)
    found = []
    for key in sorted({tuple(row[name] for name in entities) for row in counted}):
        own = [row for row in counted if tuple(row[name] for name in entities) == key]
        own.sort(key=lambda row: (row[aggregates.timestamp], row[aggregates.unit]))
        times = {*_hop_rows(aggregates, own), *_stream_rows(aggregates, own)}
        for t in sorted(times):
            values = {
                name: naive_value(aggregates, aggregate, own, t)
                for name, aggregate in aggregates.features.items()
            }
            system = {"event_timestamp": t, "created_timestamp": t, "partition_day": t.date()}
            found.append({**dict(zip(entities, key, strict=True)), **system, **values})
    return found


def naive_value(
    aggregates: WindowedAggregates, aggregate: Aggregate, own: Sequence[Row], t: datetime
) -> float | int | None:
    """One aggregate at time t over the counted rows of one entity, by timestamp and unit."""
    start = floor(t, aggregates.every) - aggregate.window
    inside = [row for row in own if start <= row[aggregates.timestamp] < t]
    if aggregate.function == "count":
        return len(inside)
    present = [
        (row[aggregates.timestamp], row[aggregate.column or ""])
        for row in inside
        if row[aggregate.column or ""] is not None and not math.isnan(row[aggregate.column or ""])
    ]
    values = [value for _, value in present]
    if not values:
        return None
    match aggregate.function:
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "share":
            assert aggregate.above is not None
            return sum(value > aggregate.above for value in values) / len(values)
    hops: dict[datetime, float | int] = {}
    for at, value in present:
        hop = floor(at, aggregates.every)
        hops[hop] = hops[hop] + value if hop in hops else value
    total = None
    for subtotal in hops.values():
        total = subtotal if total is None else total + subtotal
    assert total is not None
    return total if aggregate.function == "sum" else float(total) / float(len(values))


def floor(t: datetime, every: timedelta) -> datetime:
    """The last hop boundary at or before t; hops are counted from 1970."""
    return t - (t - EPOCH) % every


def _counted(
    aggregates: WindowedAggregates, entities: Sequence[str], events: Iterable[Row]
) -> list[Row]:
    """The source rows that count: no nulls where there may be none, and each unit once."""
    named = (*entities, aggregates.timestamp, aggregates.unit)
    known = [row for row in events if all(row[name] is not None for name in named)]
    known.sort(key=lambda row: row[aggregates.timestamp])  # stable: then as landed
    memory = aggregates.longest + aggregates.every
    last: dict[Any, datetime] = {}
    counted = []
    for row in known:
        unit, at = row[aggregates.unit], row[aggregates.timestamp]
        if unit not in last or at - last[unit] > memory:
            counted.append(row)
        last[unit] = at
    return counted


def _hop_rows(aggregates: WindowedAggregates, own: Sequence[Row]) -> Iterator[datetime]:
    reach = aggregates.longest + aggregates.every
    times = [row[aggregates.timestamp] for row in own]
    t = floor(min(times), aggregates.every)
    while t <= max(times) + reach:
        if any(t - reach <= at < t for at in times):
            yield t
        t += aggregates.every


def _stream_rows(aggregates: WindowedAggregates, own: Sequence[Row]) -> Iterator[datetime]:
    for row in own if aggregates.stream else ():
        at = row[aggregates.timestamp]
        # Otherwise the row at the hop boundary says it.
        if floor(at + MICROSECOND, aggregates.every) == floor(at, aggregates.every):
            yield at + MICROSECOND
