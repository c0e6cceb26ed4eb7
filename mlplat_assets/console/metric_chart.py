"""A metric by day as marks of an SVG: what labels said, and before them what was estimated. Pure.

Told apart by shape as well as by colour: a dot on a line is realised, a dash in a band estimated.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

from mlplat_assets.assessment.estimation import ASSUMPTION

# Pixels: of a day, of the numbers on the left, of the versions above, of the marks, of days below.
SLOT, LEFT, TOP, MARKS, BELOW = 20, 56, 20, 130, 34
# At most so many lines behind the marks.
_LINES = 5
_ENDS = ("value", "low", "high")


@dataclass(frozen=True, kw_only=True)
class Reach:
    """A value with its 95% interval, as heights from the top in pixels; `low` is the lowest."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One version's day.

    Attributes:
        x: The middle of its slot.
        day: Of the month; empty where the slot before has the same day.
        version: `v2` where it begins to answer; empty where the slot before has it too.
        month: `Jan 2013` where it begins; empty elsewhere.
        realised: From labels; None before they came.
        estimated: From probabilities; None where they promise nothing.
        title: The numbers.
    """

    x: float
    day: str
    version: str
    month: str
    realised: Reach | None
    estimated: Reach | None
    title: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The marks of a metric from left to right, and lines with the numbers they stand for.

    `assumption` is what its estimates rest on.
    """

    metric: str
    marks: tuple[Mark, ...]
    lines: tuple[tuple[float, str], ...]
    assumption: ClassVar[str] = ASSUMPTION
    slot: ClassVar[int] = SLOT
    left: ClassVar[int] = LEFT
    top: ClassVar[int] = TOP

    @property
    def width(self) -> int:
        """Of the whole, in pixels."""
        return LEFT + SLOT * len(self.marks) + SLOT

    @property
    def height(self) -> int:
        """Of the whole, in pixels."""
        return TOP + MARKS + BELOW

    @property
    def is_realised(self) -> bool:
        """Whether any label has come."""
        return any(mark.realised for mark in self.marks)

    @property
    def is_estimated(self) -> bool:
        """Whether anything was estimated."""
        return any(mark.estimated for mark in self.marks)


def metric_chart(metric: str, rows: Sequence[Mapping[str, Any]]) -> Chart | None:
    """The chart of `champion_days`' rows; None where none of them has a number."""
    told = [
        (row, found, promised)
        for row in rows
        for found, promised in [(_numbers(row, ""), _numbers(row, "estimated_"))]
        if found or promised
    ]
    ends = [end for _, *both in told for numbers in both if numbers for end in numbers]
    if not ends:
        return None
    lines = list(_lines(min(ends), max(ends)))
    bottom, top = lines[0], lines[-1]

    def height(value: float) -> float:
        return round(TOP + MARKS * (top - value) / (top - bottom), 1)

    def reach(numbers: tuple[float, float, float] | None) -> Reach | None:
        if numbers is None:
            return None
        value, low, high = (height(each) for each in numbers)
        return Reach(value=value, low=low, high=high)

    marks, before = [], dict[str, str]()
    for place, (row, found, promised) in enumerate(told):
        names = _names(row["partition_day"], row["version"])
        new = {name: "" if text == before.get(name) else text for name, text in names.items()}
        before, title = names, _title(row, found, promised)
        x = LEFT + SLOT * (place + 0.5)
        marks.append(
            Mark(x=x, **new, realised=reach(found), estimated=reach(promised), title=title)
        )
    return Chart(
        metric=metric,
        marks=tuple(marks),
        lines=tuple((height(value), f"{value:.6g}") for value in lines),
    )


def _names(day: date, version: int) -> dict[str, str]:
    return {"day": str(day.day), "version": f"v{version}", "month": f"{day:%b %Y}"}


def _numbers(row: Mapping[str, Any], prefix: str) -> tuple[float, float, float] | None:
    """Value, low, high; of very many rows there may be no interval, and it is the value alone."""
    value, low, high = (row[f"{prefix}{end}"] for end in _ENDS)
    if value is None or not math.isfinite(value):
        return None
    if low is None or high is None or not math.isfinite(low + high):
        return value, value, value
    return value, low, high


def _title(
    row: Mapping[str, Any],
    found: tuple[float, float, float] | None,
    promised: tuple[float, float, float] | None,
) -> str:
    told = [f"{row['partition_day']}, version {row['version']}"]
    if found:
        told.append(f"realised {_interval(found)} on {row['rows']:,} labelled rows")
    if promised:
        told.append(f"estimated {_interval(promised)} of {row['served']:,} served, {ASSUMPTION}")
    return "; ".join(told)


def _interval(numbers: tuple[float, float, float]) -> str:
    value, low, high = numbers
    return f"{value:.4g}" if low == high else f"{value:.4g} [{low:.4g}, {high:.4g}]"


def _lines(low: float, high: float) -> Iterator[float]:
    """Round numbers from below the lowest to above the highest, two at least."""
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / _LINES))
    step = next(power * times for times in (1, 2, 5, 10) if span / (power * times) <= _LINES)
    first, last = math.floor(low / step), math.ceil(high / step)
    yield from (number * step for number in range(first, max(last, first + 1) + 1))
