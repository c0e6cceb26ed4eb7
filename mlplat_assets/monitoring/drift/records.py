"""Drift as rows of the lake: one per day, version and column."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from mlplat_assets.monitoring.drift.segments import SegmentDrift
from mlplat_assets.monitoring.drift.verdict import ColumnDrift, DriftReport
from resources.lake import Lake, add_column

_FLOATS = (
    "psi", "threshold", "null_share", "p_value", "q_value", "ks", "jensen_shannon",
    "wasserstein", "chi_square_p", "mean",
)  # fmt: skip
# `findings` is what is wrong with the data as `fault share%`, by commas; `broken` whether that
# breaks the column; `verdict` the window's.
SCHEMA = pa.schema(
    [
        ("partition_day", pa.date32()),
        ("version", pa.int64()),
        ("verdict", pa.string()),
        ("rows", pa.int64()),
        ("column", pa.string()),
        ("column_verdict", pa.string()),
        ("kind", pa.string()),
        ("findings", pa.string()),
        ("drifted", pa.bool_()),
        ("broken", pa.bool_()),
        *((name, pa.float64()) for name in _FLOATS),
    ]
)
SEGMENTS_SCHEMA = pa.schema(
    [
        ("partition_day", pa.date32()),
        ("version", pa.int64()),
        ("segment", pa.string()),
        ("value", pa.string()),
        ("rows", pa.int64()),
        ("reference_rows", pa.int64()),
        ("column", pa.string()),
        *((name, pa.float64()) for name in ("psi", "threshold", "p_value")),
        ("drifted", pa.bool_()),
    ]
)
_SQL = {pa.string(): "varchar", pa.bool_(): "boolean", pa.float64(): "double"}


def record(
    lake: Lake,
    table: str,
    reports: Mapping[tuple[date, int], DriftReport],
    days: tuple[date, date],
) -> None:
    """Make the table's days hold these reports, and no others."""
    rows = [
        _row(day, version, report, column)
        for (day, version), report in reports.items()
        for column in report.columns
    ]
    found = pa.Table.from_pylist(rows, schema=SCHEMA)
    try:
        lake.replace_days(table, found, *days)
    except duckdb.BinderException:  # a table of an earlier release lacks columns
        _widen(lake, table)
        lake.replace_days(table, found, *days)


def _row(day: date, version: int, report: DriftReport, column: ColumnDrift) -> dict[str, Any]:
    measures = column.measures
    return {
        "partition_day": day,
        "version": version,
        "verdict": report.verdict,
        "rows": report.rows,
        "column": column.name,
        "column_verdict": column.verdict,
        "kind": column.kind,
        "findings": ", ".join(f"{one.fault} {one.share * 100:.4g}%" for one in column.findings),
        "drifted": column.drifted,
        "broken": column.broken,
        "psi": measures.psi,
        "threshold": column.threshold,
        "null_share": measures.null_share,
        "p_value": measures.p_value,
        "q_value": column.q_value,
        "ks": measures.ks,
        "jensen_shannon": measures.jensen_shannon,
        "wasserstein": measures.wasserstein,
        "chi_square_p": measures.chi_square_p,
        "mean": measures.mean,
    }


def record_segments(
    lake: Lake,
    table: str,
    found: Mapping[tuple[date, int], list[SegmentDrift]],
    days: tuple[date, date],
) -> None:
    """Make the days of `<table>__segments` hold these comparisons, one row each."""
    rows = [
        {"partition_day": day, "version": version, **asdict(one), "drifted": one.drifted}
        for (day, version), listed in found.items()
        for one in listed
    ]
    kept = pa.Table.from_pylist(rows, schema=SEGMENTS_SCHEMA)
    lake.replace_days(f"{table}__segments", kept, *days)


def _widen(lake: Lake, table: str) -> None:
    """Give a table the columns that it lacks, null in its rows."""
    with lake.write() as connection:
        for field in SCHEMA:
            if field.type in _SQL:  # those of other types were there from the beginning
                add_column(connection, table, field.name, _SQL[field.type])
