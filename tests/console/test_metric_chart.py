"""A metric by day: where its marks are, and what is told apart."""

from datetime import date, timedelta
from typing import Any

import pytest

from mlplat_assets.console.metric_chart import LEFT, MARKS, SLOT, TOP, Chart, metric_chart

FIRST = date(2013, 1, 30)
NOTHING = dict.fromkeys(
    f"{kind}{end}" for kind in ("", "estimated_") for end in ("value", "low", "high")
)


def row(day: int = 0, **changes: Any) -> dict[str, Any]:
    whose = {"partition_day": FIRST + timedelta(days=day), "version": 2, "rows": 812}
    return {**NOTHING, **whose, "served": 900} | changes


def realised(value: float, reach: float = 0.02) -> dict[str, Any]:
    return {"value": value, "low": value - reach, "high": value + reach}


def estimated(value: float, reach: float = 0.01) -> dict[str, Any]:
    return {f"estimated_{end}": number for end, number in realised(value, reach).items()}


def chart(*rows: dict[str, Any]) -> Chart:
    found = metric_chart("auc", rows)
    assert found is not None
    return found


def test_a_day_with_labels_has_both_and_one_before_them_the_estimate_alone() -> None:
    found = chart(row(**realised(0.73), **estimated(0.74)), row(1, **estimated(0.75)))
    assert [(mark.realised is None, mark.estimated is None) for mark in found.marks] == [
        (False, False), (True, False),
    ]  # fmt: skip
    assert found.marks[0].title == (
        "2013-01-30, version 2; realised 0.73 [0.71, 0.75] on 812 labelled rows; "
        "estimated 0.74 [0.73, 0.75] of 900 served, assumes no concept drift"
    )
    assert "realised" not in found.marks[1].title


def test_heights_are_those_of_the_lines() -> None:
    found = chart(row(**realised(0.75, 0.25)))
    assert [number for _, number in found.lines] == ["0.5", "0.6", "0.7", "0.8", "0.9", "1"]
    assert [found.lines[0][0], found.lines[-1][0]] == [TOP + MARKS, TOP]
    (mark,) = found.marks
    assert mark.realised is not None
    assert (mark.realised.high, mark.realised.low) == (TOP, TOP + MARKS)
    assert mark.realised.value == TOP + MARKS / 2
    assert mark.x == LEFT + SLOT / 2


@pytest.mark.parametrize(
    ("value", "reach"), [(0.0, 0.0), (-3.0, 0.0), (1e-7, 1e-9), (0.5, 0.5), (4e6, 1e5), (0.3, 0.1)]
)
def test_every_mark_is_between_the_first_and_the_last_line(value: float, reach: float) -> None:
    found = chart(row(**realised(value, reach)))
    (mark,) = found.marks
    assert mark.realised is not None
    bottom, top = found.lines[0][0], found.lines[-1][0]
    assert top <= mark.realised.high <= mark.realised.value <= mark.realised.low <= bottom
    assert 2 <= len(found.lines) <= 7


def test_what_is_unknown_is_not_drawn() -> None:
    assert metric_chart("auc", []) is None
    assert metric_chart("auc", [row(), row(1, value=float("nan"))]) is None
    found = chart(row(), row(1, **realised(0.7)), row(2, **estimated(float("nan"))))
    assert [mark.day for mark in found.marks] == ["31"]
    assert (found.is_realised, found.is_estimated) == (True, False)


def test_a_value_without_an_interval_is_a_dot() -> None:
    (mark,) = chart(row(value=0.7)).marks
    assert mark.realised is not None
    assert mark.realised.low == mark.realised.value == mark.realised.high
    assert "realised 0.7 on" in mark.title


def test_a_day_a_month_and_a_version_are_named_where_they_begin() -> None:
    days = [(1, 2), (2, 2), (2, 3), (3, 3), (4, 2)]
    found = chart(*(row(day, version=version, **realised(0.7)) for day, version in days))
    assert [mark.day for mark in found.marks] == ["31", "1", "", "2", "3"]
    assert [mark.month for mark in found.marks] == ["Jan 2013", "Feb 2013", "", "", ""]
    assert [mark.version for mark in found.marks] == ["v2", "", "v3", "", "v2"]
    assert [mark.x for mark in found.marks] == [LEFT + SLOT * (n + 0.5) for n in range(5)]
