"""Rows in memory counted as those of the lake are."""

from collections.abc import Mapping

import duckdb
import numpy as np
import polars as pl

from mlplat_assets.monitoring.drift.bins import ColumnProfile
from mlplat_assets.monitoring.drift.counting import sketches, table_cells
from mlplat_assets.monitoring.drift.profile import PREDICTION, Profile
from mlplat_assets.monitoring.drift.sketch import Sketch
from mlplat_assets.monitoring.drift.verdict import DriftReport, compare, profiled_columns


def counted(frame: pl.DataFrame, columns: Mapping[str, ColumnProfile]) -> Sketch:
    """The sketch of a frame."""
    with duckdb.connect() as connection:
        connection.register("rows_in_memory", frame.to_arrow())
        cells = table_cells(connection, "rows_in_memory")
        return sketches(connection, "rows_in_memory", columns, cells)[()]


def compared(
    window: pl.DataFrame, predictions: np.ndarray, profile: Profile, policy: Mapping[str, float]
) -> DriftReport:
    """The report on a frame and its predictions."""
    rows = window.with_columns(pl.Series(PREDICTION, predictions))
    return compare(counted(rows, profiled_columns(profile)), profile, policy)
