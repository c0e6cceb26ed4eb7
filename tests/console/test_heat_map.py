"""Columns by days: how far over its threshold each is, and in which order."""

from datetime import date, timedelta
from typing import Any

import pytest

from mlplat_assets.console.heat_map import HeatMap, heat_map, versions_of

FIRST = date(2013, 1, 30)


def row(column: str, psi: float | None, day: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "partition_day": FIRST + timedelta(days=day),
        "version": 2,
        "verdict": "OK",
        "rows": 900,
        "column": column,
        "psi": psi,
        "threshold": 0.2,
        "drifted": False,
        "null_share": 0.125,
    } | changes


def signs(found: HeatMap) -> dict[str, str]:
    return {
        name: "".join(cell.sign if cell else " " for cell in cells) for name, cells in found.columns
    }


@pytest.mark.parametrize(
    ("psi", "sign"),
    [(0.0, "·"), (0.09, "·"), (0.1, "+"), (0.19, "+"), (0.2, "D"), (0.39, "D"), (0.4, "X")],
)
def test_a_column_is_told_against_its_own_threshold(psi: float, sign: str) -> None:
    assert signs(heat_map([row("a", psi)], 2)) == {"a": sign}


@pytest.mark.parametrize("changes", [{"psi": None}, {"threshold": None}, {"threshold": 0.0}])
def test_what_was_not_measured_is_not_told_as_calm(changes: dict[str, Any]) -> None:
    found = heat_map([row("a", 0.5) | changes], 2)
    assert signs(found) == {"a": "?"}


def test_the_most_drifted_columns_come_first_and_gaps_stay_gaps() -> None:
    rows = [row("calm", 0.0), row("hot", 0.1), row("calm", 0.0, day=2), row("hot", 0.9, day=2)]
    found = heat_map([*rows, row("new", 0.3, day=2)], 2)
    assert signs(found) == {"hot": "+X", "new": " D", "calm": "··"}
    assert [name for name, _ in found.columns] == ["hot", "new", "calm"]


def test_days_and_months_are_those_that_the_version_served_on() -> None:
    rows = [row("a", 0.0, day=day) for day in (0, 1, 2, 5)] + [row("a", 0.0, day=3, version=3)]
    found = heat_map(rows, 2)
    assert [day.day for day in found.days] == [30, 31, 1, 4]
    assert found.months == [("Jan 2013", 2), ("Feb 2013", 2)]
    assert versions_of(rows) == [2, 3]


def test_broken_data_is_told_apart_from_drift_and_comes_first() -> None:
    broken = row("b", 0.9, broken=True, p_value=0.004, findings="null_spike 50%")
    found = heat_map([row("a", 0.9), broken], 2)
    assert signs(found) == {"b": "!", "a": "X"}
    cell = found.columns[0][1][0]
    assert cell is not None
    assert cell.title.endswith("p 0.004, not drifted, null_spike 50%")


def test_a_cell_has_its_numbers() -> None:
    found = heat_map([row("a", 0.4321, drifted=True)], 2)
    cell = found.columns[0][1][0]
    assert cell is not None
    assert cell.title == "PSI 0.432, threshold 0.2, 12.5% null, drifted"
