"""What a stream remembers of one entity: tiles of one hop, and the rows of a view they give."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from mlplat_assets.aggregates import WindowedAggregates
from mlplat_assets.features.streaming.partials import Partial, Partials, Value

MICROSECOND = timedelta(microseconds=1)


class ViewRow(NamedTuple):
    """One row of a streamed view: `t` is its event and created time, microseconds UTC."""

    key: tuple[Any, ...]
    t: int
    values: tuple[Value, ...]


class Hops:
    """A view's windows counted in hops; times are microseconds since 1970 UTC."""

    def __init__(self, aggregates: WindowedAggregates) -> None:
        """Count the windows."""
        self.every = aggregates.every // MICROSECOND
        self.lateness = aggregates.lateness // MICROSECOND
        spans = {aggregate.window // aggregates.every for aggregate in aggregates.features.values()}
        self.windows = sorted(spans)
        self.longest = self.windows[-1]
        self.partials = Partials(aggregates, self.windows)


class Tile:
    """The source rows of one entity in one hop, in the order of (timestamp, unit).

    Once sealed it keeps their total alone: rows within it can no longer be told apart.
    """

    __slots__ = ("parts", "prefixes", "rows", "total")

    def __init__(self, empty: Partial) -> None:
        self.rows: list[tuple[int, Any]] | None = []
        self.parts: list[Partial] = []
        self.prefixes: list[Partial] = []
        self.total = empty

    def add(self, partials: Partials, ts: int, unit: Any, part: Partial) -> None:  # noqa: ANN401  any comparable
        """Count one source row."""
        if self.rows is None:
            self.total = partials.merge(self.total, part)
            return
        at = bisect_left(self.rows, (ts, unit))
        self.rows.insert(at, (ts, unit))
        self.parts.insert(at, part)
        del self.prefixes[at:]
        before = self.prefixes[-1] if self.prefixes else partials.empty
        for part in self.parts[at:]:
            before = partials.merge(before, part)
            self.prefixes.append(before)
        self.total = before

    def seal(self) -> None:
        """Forget the single rows."""
        self.rows = None
        self.parts = self.prefixes = []

    def moments(self, start: int) -> Iterator[tuple[int, Partial]]:
        """Each distinct timestamp from `start` on, with the partial of all rows up to it."""
        rows = self.rows or []
        for at in range(bisect_left(rows, (start,)), len(rows)):
            ts = rows[at][0]
            if at + 1 == len(rows) or rows[at + 1][0] != ts:
                yield ts, self.prefixes[at]


class EntityTiles:
    """The tiles of one entity, by hop number."""

    __slots__ = ("_base", "_base_hop", "_hops", "_numbers", "_tiles")

    def __init__(self, hops: Hops) -> None:
        self._hops = hops
        self._tiles: dict[int, Tile] = {}
        self._numbers: list[int] = []
        self._base_hop: int | None = None
        self._base: list[Partial] = []

    def add(self, ts: int, unit: Any, part: Partial, *, sealed_before: int) -> None:  # noqa: ANN401  any comparable
        """Count one source row; tiles below hop `sealed_before` keep no single rows."""
        number = ts // self._hops.every
        tile = self._tiles.get(number)
        if tile is None:
            tile = self._tiles[number] = Tile(self._hops.partials.empty)
            insort(self._numbers, number)
            if number < sealed_before:
                tile.seal()
        tile.add(self._hops.partials, ts, unit, part)
        if self._base_hop is not None and number < self._base_hop:
            self._base_hop = None

    def forget(self, *, before: int, sealed_before: int) -> bool:
        """Drop tiles below hop `before`, seal those below `sealed_before`; whether any is left."""
        while self._numbers and self._numbers[0] < before:
            del self._tiles[self._numbers.pop(0)]
        for number in self._numbers:
            if number >= sealed_before:
                break
            self._tiles[number].seal()
        return bool(self._numbers)

    def rows(
        self, key: tuple[Any, ...], hops_after: int, frontier: int, since: int | None
    ) -> Iterator[ViewRow]:
        """Hop rows at `hops_after < t <= frontier`, and the rows after source rows from `since`."""
        every, partials = self._hops.every, self._hops.partials
        last_hop = frontier // every
        end = self._numbers[-1] + self._hops.longest + 1
        for hop in range(hops_after // every, min(end, last_hop) + 1):
            if hops_after < hop * every and self._has_hop_row(hop):
                yield ViewRow(key, hop * every, partials.values(self._before(hop)))
            tile = self._tiles.get(hop)
            if tile is None or since is None:
                continue
            for ts, prefix in tile.moments(since):
                if (ts + 1) % every:
                    whole = [partials.merge(base, prefix) for base in self._before(hop)]
                    yield ViewRow(key, ts + 1, partials.values(whole))

    def _has_hop_row(self, hop: int) -> bool:
        at = bisect_left(self._numbers, hop - self._hops.longest - 1)
        return at < len(self._numbers) and self._numbers[at] < hop

    def _before(self, hop: int) -> list[Partial]:
        """The partial of each window that ends where the hop begins; kept for the next row."""
        if self._base_hop == hop:
            return self._base
        merge = self._hops.partials.merge
        found = []
        for window in self._hops.windows:
            total = self._hops.partials.empty
            first = bisect_left(self._numbers, hop - window)
            for number in self._numbers[first : bisect_left(self._numbers, hop)]:
                total = merge(total, self._tiles[number].total)
            found.append(total)
        self._base_hop, self._base = hop, found
        return found
