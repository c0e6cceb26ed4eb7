"""The training rows of each value of a declared segment column, by coarse bin."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import duckdb

from mlplat_assets.monitoring.drift.bins import ColumnProfile, coarse
from mlplat_assets.monitoring.drift.counting import Cell, sketches

# Rarer values say nothing of their own; more of them would crowd the card.
LEAST_ROWS = 200
MOST_VALUES = 20


class SegmentProfile(TypedDict):
    """The training rows with one value of a segment column: of each column, counts by coarse bin.

    As `shares` orders bins; the last one is null.
    """

    rows: int
    counts: dict[str, list[int]]


def segment_profiles(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    columns: Mapping[str, ColumnProfile],
    cells: Mapping[str, Cell],
    segments: Sequence[str],
) -> dict[str, dict[str, SegmentProfile]]:
    """By segment column and value: those of at least 200 rows, the 20 most frequent.

    Raises:
        LookupError: A segment is no input column.
    """
    for segment in segments:
        if segment not in cells or segment not in columns:
            raise LookupError(
                f"segment {segment!r} is no input column; they are {', '.join(columns)}"
            )
    return {
        segment: _by_value(connection, source, columns, cells, cells[segment].value)
        for segment in segments
    }


def _by_value(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    columns: Mapping[str, ColumnProfile],
    cells: Mapping[str, Cell],
    expression: str,
) -> dict[str, SegmentProfile]:
    found = sketches(connection, source, columns, cells, by=[f"{expression}::varchar"])
    usual = [
        (value, sketch)
        for (value,), sketch in found.items()
        if value is not None and sketch.rows >= LEAST_ROWS
    ]
    usual.sort(key=lambda one: (-one[1].rows, one[0]))
    return {
        value: SegmentProfile(
            rows=sketch.rows,
            counts={
                name: [*coarse(columns[name], one.counts).tolist(), one.nulls]
                for name, one in sketch.columns.items()
            },
        )
        for value, sketch in usual[:MOST_VALUES]
    }
