"""Windowed aggregates of a stream: source rows in, rows of feature views out. Pure.

The rows are those of the batch SQL (`mlplat_assets.aggregates`), computed as source rows come. A
row that was written and then turns out different, because a source row came out of order, is
written again with the same time: the last one written counts.

The watermark is the newest source row's timestamp less the view's `lateness`. Rows from the hop of
the watermark on are revised exactly. A source row below the watermark is *late*: rows that are
still revised count it, older ones are wrong until the batch run of their days, which the caller is
told. State holds the tiles that some revisable row needs, and no more: it is a function of the
source rows from `retained_from` on, so a restart rebuilds it from the lake.

Times are microseconds since 1970 UTC.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from mlplat_assets.aggregates import WindowedAggregates
from mlplat_assets.features.streaming.tiles import EntityTiles, Hops, ViewRow

_SWEEP = 3_600_000_000


class SourceRow(NamedTuple):
    """One row of a source: when it happened, what names it, and its columns."""

    ts: int
    unit: Hashable
    columns: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class StreamedView:
    """A view that a stream feeds: `team.name`, its entity columns and its aggregates."""

    name: str
    entities: tuple[str, ...]
    aggregates: WindowedAggregates


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What source rows did: the views' new and revised rows, and what became of each of them.

    `fresh` are the rows to land, in order. `late` are those of them that left rows behind the
    watermark of some view as they were. Repeats of a unit are in neither.
    """

    rows: dict[str, list[ViewRow]]
    fresh: list[SourceRow] = field(default_factory=list)
    late: list[SourceRow] = field(default_factory=list)
    duplicates: int = 0


class SourceState:
    """The state of every streamed view of one source."""

    def __init__(self, views: Sequence[StreamedView]) -> None:
        """Begin empty."""
        self.views = {view.name: _ViewState(view) for view in views}
        self.newest: int | None = None
        self._frontier: int | None = None
        self._units: dict[Hashable, int] = {}
        self._swept = 0

    def retained_from(self, newest: int) -> int:
        """The timestamp from which source rows are in the state when `newest` is the newest."""
        return min(view.retained_from(newest) for view in self.views.values())

    def load(self, rows: Iterable[SourceRow]) -> None:
        """Take in landed source rows, in any order, without giving rows out."""
        landed = sorted(rows, key=lambda row: row.ts)
        if not landed:
            return
        self.newest = self._frontier = landed[-1].ts
        for row in landed:
            self._is_new(row)
        for view in self.views.values():
            view.load(landed, self.newest)

    def apply(self, rows: Iterable[SourceRow]) -> Applied:
        """Count source rows in the order they come; a unit that is in the state counts once."""
        done = Applied(rows={})
        duplicates = 0
        for row in rows:
            self.newest = row.ts if self.newest is None else max(self.newest, row.ts)
            if not self._is_new(row):
                duplicates += 1
                continue
            done.fresh.append(row)
            # A list, not a generator: every view must see the row.
            if any([view.add(row, self.newest) for view in self.views.values()]):
                done.late.append(row)
        written = self.advance(self.newest) if self.newest is not None else {}
        return Applied(rows=written, fresh=done.fresh, late=done.late, duplicates=duplicates)

    def advance(self, to: int) -> dict[str, list[ViewRow]]:
        """The rows that are due by `to`, by view: event time has come that far."""
        if self.newest is None:
            return {}
        before = self._frontier
        self._frontier = max(to, self.newest, *([] if before is None else [before]))
        written = {
            name: view.due(before, self._frontier, self.newest) for name, view in self.views.items()
        }
        self._forget_units()
        return {name: rows for name, rows in written.items() if rows}

    def _is_new(self, row: SourceRow) -> bool:
        """Whether the unit is not in the state; rows too old for the state always are."""
        if row.unit in self._units:
            return False
        if self.newest is None or row.ts >= self.retained_from(self.newest):
            self._units[row.unit] = row.ts
        return True

    def _forget_units(self) -> None:
        retained = self.retained_from(self.newest) if self.newest is not None else self._swept
        # Once an hour of event time: a sweep looks at every unit.
        if retained - self._swept >= _SWEEP:
            self._units = {unit: ts for unit, ts in self._units.items() if ts >= retained}
            self._swept = retained


class _ViewState:
    """The entities of one view."""

    def __init__(self, view: StreamedView) -> None:
        self._view = view
        self._hops = Hops(view.aggregates)
        self._entities: dict[tuple[Any, ...], EntityTiles] = {}
        # From which time on the rows of an entity have changed since they were given out.
        self._changed: dict[tuple[Any, ...], int] = {}
        self._forgotten_before = 0

    def retained_from(self, newest: int) -> int:
        return self._first_retained(newest) * self._hops.every

    def add(self, row: SourceRow, newest: int) -> bool:
        """Count a source row; whether it is late. Rows without a whole key are ignored."""
        hops, columns = self._hops, row.columns
        key = tuple([columns[name] for name in self._view.entities])
        if None in key:
            return False
        late = row.ts < newest - hops.lateness
        revisable = self._first_revisable(newest)
        if row.ts >= self._first_retained(newest) * hops.every:
            entity = self._entities.get(key)
            if entity is None:
                entity = self._entities[key] = EntityTiles(hops)
            entity.add(row.ts, row.unit, hops.partials.of(columns), sealed_before=revisable)
            since = max(row.ts, revisable * hops.every - 1)
            self._changed[key] = min(since, self._changed.get(key, since))
        return late

    def load(self, landed: Sequence[SourceRow], newest: int) -> None:
        """Count landed rows, oldest first, a unit once within the windows' reach, as SQL does."""
        reach = (self._hops.longest + 1) * self._hops.every
        last: dict[Hashable, int] = {}
        for row in landed:
            if None in (row.unit, *(row.columns[name] for name in self._view.entities)):
                continue
            if row.unit not in last or row.ts - last[row.unit] > reach:
                self.add(row, newest)
            last[row.unit] = row.ts
        self._changed = {}

    def due(self, before: int | None, frontier: int, newest: int) -> list[ViewRow]:
        """Changed rows, and hop rows that the frontier has passed since `before`."""
        hops, rows = self._hops, []
        changed, self._changed = self._changed, {}
        for key, since in changed.items():
            start = since if before is None else min(since, before)
            rows.extend(self._entities[key].rows(key, start, frontier, since))
        if before is not None and before // hops.every < frontier // hops.every:
            for key, entity in self._entities.items():
                if key not in changed:
                    rows.extend(entity.rows(key, before, frontier, None))
        self._forget(newest)
        return rows

    def _forget(self, newest: int) -> None:
        revisable, retained = self._first_revisable(newest), self._first_retained(newest)
        if retained <= self._forgotten_before:
            return
        self._forgotten_before = retained
        self._entities = {
            key: entity
            for key, entity in self._entities.items()
            if entity.forget(before=retained, sealed_before=revisable)
        }

    def _first_revisable(self, newest: int) -> int:
        """The first hop whose rows are still revised: that of the watermark."""
        return (newest - self._hops.lateness) // self._hops.every

    def _first_retained(self, newest: int) -> int:
        """The first hop that a revisable row's window, or its being there, depends on."""
        return self._first_revisable(newest) - self._hops.longest - 1
