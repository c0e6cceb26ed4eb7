"""Drift as a map of columns and days. Pure.

How far a column is, is told against its own threshold, by a sign as well as by a colour.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

DAYS = 42
# From this many times the threshold on, with the sign in the cell.
LEVELS = ((0.0, "·"), (0.5, "+"), (1.0, "D"), (2.0, "X"))
UNKNOWN, BROKEN = "?", "!"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One column on one day.

    Attributes:
        level: Index of LEVELS; None where nothing was measured or there is no threshold.
        broken: Whether the data is broken, which is no drift.
        title: The numbers.
    """

    level: int | None
    broken: bool
    title: str

    @property
    def sign(self) -> str:
        """What stands in the cell."""
        if self.broken:
            return BROKEN
        return UNKNOWN if self.level is None else LEVELS[self.level][1]


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """One version's days.

    Attributes:
        days: In their order; only those that the version served on.
        verdicts: Of each day, and `counts` how many rows it had.
        columns: A row of cells for each column, the most drifted first; None where the column was
            not compared on the day.
    """

    version: int
    days: tuple[date, ...]
    verdicts: tuple[str, ...]
    counts: tuple[int, ...]
    columns: tuple[tuple[str, tuple[Cell | None, ...]], ...]

    @property
    def months(self) -> list[tuple[str, int]]:
        """Each month of the days with how many of them it has."""
        named = groupby(self.days, key=lambda day: f"{day:%b %Y}")
        return [(name, len(list(days))) for name, days in named]


def heat_map(rows: Sequence[Mapping[str, Any]], version: int) -> HeatMap:
    """The map of a version from its rows of the drift table."""
    own = [row for row in rows if row["version"] == version]
    days = {row["partition_day"]: row for row in own}
    cells: dict[str, dict[date, Cell]] = {}
    for row in own:
        cells.setdefault(row["column"], {})[row["partition_day"]] = _cell(row)
    hot = {name: sum(_heat(cell) for cell in of.values()) for name, of in cells.items()}
    return HeatMap(
        version=version,
        days=tuple(days),
        verdicts=tuple(row["verdict"] for row in days.values()),
        counts=tuple(row["rows"] for row in days.values()),
        columns=tuple(
            (name, tuple(cells[name].get(day) for day in days))
            for name in sorted(cells, key=lambda name: (-hot[name], name))
        ),
    )


def versions_of(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """The versions that were compared, by number."""
    return sorted({row["version"] for row in rows})


def _cell(row: Mapping[str, Any]) -> Cell:
    psi, threshold, broken = row["psi"], row["threshold"], bool(row.get("broken"))
    level = None
    if psi is not None and threshold:
        level = sum(psi >= threshold * times for times, _ in LEVELS) - 1
    told = [f"PSI {_number(psi)}, threshold {_number(threshold)}"]
    if row.get("null_share") is not None:
        told.append(f"{row['null_share']:.1%} null")
    # Tables of an earlier release have no p-value, and told of nothing but the PSI.
    if row.get("p_value") is not None:
        told.append(f"p {row['p_value']:.2g}")
    told.append("drifted" if row["drifted"] else "not drifted")
    if row.get("findings"):
        told.append(row["findings"])
    return Cell(level=level, broken=broken, title=", ".join(told))


def _heat(cell: Cell) -> int:
    return len(LEVELS) if cell.broken else cell.level or 0


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"
