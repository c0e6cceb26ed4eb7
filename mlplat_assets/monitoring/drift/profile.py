"""The reference profile: what a model's inputs and predictions looked like in training.

It is computed once per version, stored in the card, and all that drift needs: the training rows
are never read again. Shares are of all rows, so that the shares of a column's bins and its null
share add up to 1. NaN counts as null; an infinite value falls into an outermost bin.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl

from mlplat_assets.assessment.calibration import CalibrationTable
from mlplat_assets.monitoring.drift.bins import (
    BINS,
    FINE_BINS,
    GREATEST,
    TAILS,
    CategoricalProfile,
    ColumnProfile,
    Fine,
    Floats,
    Integers,
    NumericProfile,
    between,
    coarse,
    cuts,
    quantile_edges,
)
from mlplat_assets.monitoring.drift.counting import sketches, table_cells
from mlplat_assets.monitoring.drift.segment_profile import SegmentProfile, segment_profiles
from mlplat_assets.monitoring.drift.sketch import Sketch
from mlplat_assets.statistics.distances import psi

PREDICTION = "prediction"
FORMAT = 3
_DAY = "day of the profile"


class Profile(TypedDict):
    """The profiles of all input columns and of the predictions, over `rows` training rows.

    `format` and `segments` are absent in cards of format 1, `calibration` in those of format 2.
    It is of validation rows, and no regression has one.
    """

    rows: int
    columns: dict[str, ColumnProfile]
    prediction: NumericProfile
    format: NotRequired[int]
    segments: NotRequired[dict[str, dict[str, SegmentProfile]]]
    calibration: NotRequired[CalibrationTable]


def reference_profile(
    columns: pl.DataFrame,
    days: pl.Series,
    predictions: npt.NDArray[np.floating],
    *,
    quantile: float,
    minimum_rows: int = 200,
    segments: Sequence[str] = (),
) -> Profile:
    """The profile of training rows, as a value that JSON carries exactly.

    Args:
        columns: Input columns; numbers are numeric, texts and booleans categorical.
        days: The UTC day of each row's decision time.
        predictions: The model's answer for each row.
        quantile: A column's `threshold` is this quantile, 0 to 1, of the PSI that single days
            have against all rows, its `null_threshold` that of their share of nulls.
        minimum_rows: Days with fewer rows say nothing of a normal day and are left out of the
            thresholds; where no day is left, they are 0.
        segments: Columns whose values are profiled one by one as well.

    Raises:
        ValueError: There are no rows, or the arguments are not of one length.
        TypeError: A column is neither number, text nor boolean.
        LookupError: A segment is no column.
    """
    _checked(columns, days, predictions)
    answers = pl.Series(PREDICTION, numbers(pl.Series(predictions)))
    rows = columns.with_columns(answers, days.alias(_DAY))
    texts = rows.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
    bare = {one.name: _cut(one) for one in rows.drop(_DAY)}
    # No lake: the rows are a frozen training set that the training run holds in memory.
    with duckdb.connect() as connection:  # noqa: TID251
        connection.register("training", texts.to_arrow())
        cells = table_cells(connection, "training")
        by_day = sketches(connection, "training", bare, cells, by=[f'"{_DAY}"'])
        usual = _Days.of(list(by_day.values()), quantile=quantile, minimum_rows=minimum_rows)
        whole = {name: _filled(one, usual, name) for name, one in bare.items()}
        parts = segment_profiles(connection, "training", whole, cells, segments)
    prediction = whole.pop(PREDICTION)
    assert prediction["kind"] == "numeric"
    return Profile(
        format=FORMAT, rows=len(columns), columns=whole, prediction=prediction, segments=parts
    )


def numbers(values: pl.Series) -> Floats:
    """The values as floats, NaN where they are null or no numbers."""
    return values.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()


@dataclass(frozen=True, kw_only=True)
class _Days:
    """The training rows by day, and how usual days are summed up."""

    sketches: list[Sketch]
    rows: Integers
    quantile: float
    minimum_rows: int

    @classmethod
    def of(cls, found: list[Sketch], *, quantile: float, minimum_rows: int) -> "_Days":
        rows = np.array([sketch.rows for sketch in found])
        return cls(sketches=found, rows=rows, quantile=quantile, minimum_rows=minimum_rows)

    def counts(self, name: str) -> Integers:
        """Rows by day and cut or category."""
        return np.array([sketch.columns[name].counts for sketch in self.sketches])

    def nulls(self, name: str) -> Integers:
        """Rows without a value, by day."""
        return np.array([sketch.columns[name].nulls for sketch in self.sketches])

    def greatest(self, by_day: Floats) -> float:
        """The quantile of what usual days had, 0 where no day has enough rows."""
        usual = self.rows >= self.minimum_rows
        return float(np.quantile(by_day[usual], self.quantile)) if usual.any() else 0.0


def _checked(columns: pl.DataFrame, days: pl.Series, predictions: npt.NDArray[np.floating]) -> None:
    rows = len(columns)
    if rows == 0:
        raise ValueError("a profile needs at least one training row, got none")
    if not rows == len(days) == len(predictions):
        raise ValueError(
            f"got {rows} rows, {len(days)} days and {len(predictions)} predictions: "
            "pass one day and one prediction for each row"
        )
    if PREDICTION in columns.columns:
        raise ValueError(f"an input column may not be named {PREDICTION!r}: rename it")


def _cut(values: pl.Series) -> ColumnProfile:
    """The edges or categories of a column, nothing counted yet."""
    if values.dtype.is_numeric() or values.dtype == pl.Null:
        return _cut_numbers(numbers(values))
    if values.dtype not in (pl.String, pl.Boolean, pl.Categorical, pl.Enum):
        raise TypeError(
            f"column {values.name!r} is {values.dtype}: a model's input is a number, a text or a "
            "boolean"
        )
    counts = values.cast(pl.String).alias("category").drop_nulls().value_counts(name="rows")
    counts = counts.sort(["rows", "category"], descending=[True, False])
    return CategoricalProfile(
        kind="categorical",
        type="boolean" if values.dtype == pl.Boolean else "text",
        categories={name: count / len(values) for name, count in counts.iter_rows()},
        null_share=0.0,
        threshold=0.0,
    )


def _cut_numbers(values: Floats) -> NumericProfile:
    finite = np.sort(values[np.isfinite(values)])
    # A column of infinities gets a middle bin for the finite values to come, one of nulls no edge.
    without_finite = [] if np.isnan(values).all() else [-GREATEST, GREATEST]
    if not len(finite):
        finite_range, edges = (None, None), without_finite
        fine = Fine(edges=edges, counts=[], steps=True, mean=0.0, deviation=0.0)
    else:
        finite_range = float(finite[0]), float(finite[-1])
        edges, fine = quantile_edges(finite, BINS), _fine(finite)
    return NumericProfile(
        kind="numeric", edges=edges, shares=[], null_share=0.0, minimum=finite_range[0],
        maximum=finite_range[1], threshold=0.0, fine=fine,
    )  # fmt: skip


def _fine(finite: Floats) -> Fine:
    """Edges of sorted values. Where there are no more values than edges, all are edges."""
    values = finite[np.append(True, finite[1:] > finite[:-1])]
    steps = len(values) <= FINE_BINS
    edges = quantile_edges(finite, FINE_BINS, TAILS)
    if steps:
        edges = sorted({*edges, *values.tolist()})
    held = np.clip(finite, edges[0], edges[-1])
    with np.errstate(over="ignore", invalid="ignore"):  # sums of values near the greatest float
        mean, deviation = (np.nan_to_num(found) for found in (held.mean(), held.std()))
    spread = float(deviation) if len(values) > 1 else 0.0
    return Fine(edges=edges, counts=[], steps=steps, mean=float(mean), deviation=spread)


def _filled(bare: ColumnProfile, days: _Days, name: str) -> ColumnProfile:
    """The profile with what was counted by day."""
    counts, nulls = days.counts(name), days.nulls(name)
    rows = int(days.rows.sum())
    by_day = np.column_stack([coarse(bare, counts), nulls])
    reference = by_day.sum(axis=0) / rows
    threshold = days.greatest(psi(reference, by_day / days.rows[:, None]))
    null_threshold = days.greatest(nulls / days.rows)
    null_share = float(nulls.sum() / rows)
    if bare["kind"] == "categorical":
        return {
            **bare,
            "null_share": null_share,
            "threshold": threshold,
            "null_threshold": null_threshold,
        }
    total = counts.sum(axis=0)
    edges = cuts(bare)
    assert "fine" in bare
    return {
        **bare,
        "shares": reference[:-1].tolist(),
        "null_share": null_share,
        "threshold": threshold,
        "null_threshold": null_threshold,
        "infinite_share": float((total[0] + total[-1]) / rows),
        "fine": {**bare["fine"], "counts": between(total, edges, bare["fine"]["edges"]).tolist()},
    }
