"""What a dbt view declares of its windowed aggregates; SQL and stream compute them from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

AggregateFunction = Literal["count", "sum", "mean", "min", "max", "share"]


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """One aggregate of a source's rows over a trailing window, per entity.

    `mean`, `sum`, `min` and `max` are over the values of `column` that are not null; `count` is of
    rows; `share` is the part of the values of `column` that are greater than `above`. NaN is null.

    `sum`, `min` and `max` are whole numbers (int64) of a whole-number column, else doubles. Doubles
    are added within each hop in order of (timestamp, unit), then hop by hop, oldest first: the same
    rows give the same bits, however they came and in however many runs.
    """

    function: AggregateFunction
    window: timedelta
    column: str | None = None
    above: float | None = None


@dataclass(frozen=True, kw_only=True)
class WindowedAggregates:
    """Features that are aggregates of a source's rows over trailing windows, by feature name.

    With `every` the hop, an entity's row at time t aggregates the source rows with
    `floor(t, every) - window <= timestamp < t`: a row exactly at t is never included. There is a
    row at every hop boundary for as long as the longest window holds a source row, and one more,
    empty, when it has emptied. A `stream`ed view also has a row one microsecond after every source
    row, the first moment at which that row counts. Windows are whole multiples of the hop.

    `unit` is the column that names a source row. A repeated one counts once: a row at most
    `longest + every` later than another one of its unit (in time, then as landed) is ignored, so no
    window counts a unit twice, and nothing older need be remembered. Rows in which the timestamp,
    the unit or an entity key is null are ignored first of all.

    Online, the watermark is the newest source row's timestamp less `lateness`. Source rows count as
    they come, and the view's rows from the watermark's hop on are revised exactly. Rows before the
    watermark's hop are not revised online; the batch run of their days repairs them.
    """

    source: str
    timestamp: str
    unit: str
    every: timedelta
    features: Mapping[str, Aggregate]
    stream: bool = False
    lateness: timedelta = timedelta(hours=1)

    @property
    def longest(self) -> timedelta:
        """The longest window."""
        return max(aggregate.window for aggregate in self.features.values())
