"""Partial aggregates of source rows: what a tile holds, how two combine, what a window says.

A partial is one list of numbers, a slot for each sum, count, minimum and maximum that any feature
needs; features over the same column share slots. An empty minimum is infinity.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from operator import add
from typing import Any, TypeAlias

from mlplat_assets.aggregates import Aggregate, WindowedAggregates

Partial: TypeAlias = list[Any]
Value: TypeAlias = "int | float | None"
_ROWS = ("rows", None, None)


class Partials:
    """The slots of one view's aggregates.

    Counts and sums of integers are exact. A mean or share is one IEEE division of a sum by a
    count, as in the batch SQL. Doubles are added by (timestamp, unit) within a tile, then tile by
    tile from the oldest: the same rows give the same bits, in whatever order they came, and the
    bits of every engine that adds in this order.
    """

    def __init__(self, aggregates: WindowedAggregates, windows: Sequence[int]) -> None:
        """Lay out the slots; `windows` are the distinct windows in hops, shortest first."""
        wanted = {slot for a in aggregates.features.values() for slot in _slots(a)}
        order = {"min": 1, "max": 2}
        self._slots = sorted(wanted, key=lambda slot: (order.get(slot[0], 0), str(slot)))
        self._adds = sum(slot[0] not in order for slot in self._slots)
        self._mins = self._adds + sum(slot[0] == "min" for slot in self._slots)
        self.empty: Partial = [_EMPTY.get(slot[0], 0) for slot in self._slots]
        self._finish = [
            self._finisher(aggregate, windows.index(aggregate.window // aggregates.every))
            for aggregate in aggregates.features.values()
        ]

    def of(self, row: Mapping[str, Any]) -> Partial:
        """The partial of one source row."""
        found = []
        for (kind, column, above), nothing in zip(self._slots, self.empty, strict=True):
            value = row[column] if column is not None else 1
            # Not equal to itself: NaN, which counts as null.
            if value is None or value != value:
                found.append(nothing)
            elif kind in ("rows", "count"):
                found.append(1)
            else:
                found.append(value if above is None else int(value > above))
        return found

    def merge(self, a: Partial, b: Partial) -> Partial:
        """The partial of both sets of rows together."""
        adds, mins = self._adds, self._mins
        merged = list(map(add, a[:adds], b[:adds]))
        if mins > adds:
            merged += map(min, a[adds:mins], b[adds:mins])
        if len(a) > mins:
            merged += map(max, a[mins:], b[mins:])
        return merged

    def values(self, by_window: Sequence[Partial]) -> tuple[Value, ...]:
        """The features, in declared order, from the partial of each window."""
        return tuple([finish(by_window) for finish in self._finish])

    def _finisher(self, aggregate: Aggregate, window: int) -> Callable[[Sequence[Partial]], Value]:
        rows_or_value, *count = (self._slots.index(slot) for slot in _slots(aggregate))
        if not count:
            return lambda partials: partials[window][rows_or_value]
        value, n = rows_or_value, count[0]
        if aggregate.function in ("mean", "share"):
            return lambda partials: (
                float(partials[window][value]) / partials[window][n]
                if partials[window][n]
                else None
            )
        return lambda partials: partials[window][value] if partials[window][n] else None


_EMPTY: Mapping[str, float] = {"min": math.inf, "max": -math.inf}


def _slots(aggregate: Aggregate) -> list[tuple[str, str | None, float | None]]:
    """The slot of the value, and that of its count where an empty window gives null."""
    if aggregate.function == "count":
        return [_ROWS]
    kind = {"mean": "sum", "share": "above"}.get(aggregate.function, aggregate.function)
    above = aggregate.above if kind == "above" else None
    return [(kind, aggregate.column, above), ("count", aggregate.column, None)]
