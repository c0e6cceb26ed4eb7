"""The reference profile: what a model's inputs and predictions looked like in training.

It is computed once per version, stored in the card, and all that drift needs: the training rows
are never read again. Shares are of all rows, so that the shares of a column's bins and its null
share add up to 1. NaN counts as null; an infinite value falls into an outermost bin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt
import polars as pl

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]

BINS = 10
# A share of zero makes PSI infinite; this is the field's usual floor.
SHARE_FLOOR = 1e-4
# Rarer categories share bins: at 0.05 a bin expects 10 of 200 rows, at 0.025 so many were empty by
# chance that one undrifted column in 20 had a PSI above 0.25.
LEAST_SHARE = 0.05
PREDICTION = "prediction"
GREATEST = float(np.finfo(np.float64).max)


class NumericProfile(TypedDict):
    """A numeric column: bin i holds `edges[i-1] < value <= edges[i]`, the outer ones are open."""

    kind: Literal["numeric"]
    edges: list[float]
    shares: list[float]
    null_share: float
    minimum: float | None
    maximum: float | None
    threshold: float


class CategoricalProfile(TypedDict):
    """A categorical column: the share of every category seen, the most frequent first."""

    kind: Literal["categorical"]
    categories: dict[str, float]
    null_share: float
    threshold: float


ColumnProfile: TypeAlias = NumericProfile | CategoricalProfile


class Profile(TypedDict):
    """The profiles of all input columns and of the predictions, over `rows` training rows."""

    rows: int
    columns: dict[str, ColumnProfile]
    prediction: NumericProfile


def reference_profile(
    columns: pl.DataFrame,
    days: pl.Series,
    predictions: npt.NDArray[np.floating],
    *,
    quantile: float,
    minimum_rows: int = 200,
) -> Profile:
    """The profile of training rows, as a value that JSON carries exactly.

    Args:
        columns: Input columns; numbers are numeric, texts and booleans categorical.
        days: The UTC day of each row's decision time.
        predictions: The model's answer for each row.
        quantile: A column's `threshold` is this quantile, 0 to 1, of the PSI that single days
            have against all rows.
        minimum_rows: Days with fewer rows say nothing of a normal day and are left out of the
            threshold; where no day is left, it is 0.

    Raises:
        ValueError: There are no rows, or the arguments are not of one length.
        TypeError: A column is neither number, text nor boolean.
    """
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
    by_day = _Days.of(days, quantile=quantile, minimum_rows=minimum_rows)
    return Profile(
        rows=rows,
        columns={column.name: _column_profile(column, by_day) for column in columns},
        prediction=_numeric_profile(numbers(pl.Series(predictions)), by_day),
    )


def psi(reference_shares: Sequence[float], current_shares: Sequence[float]) -> float:
    """The population stability index of two lists of shares over the same bins.

    It is 0 for equal shares; below 0.1 is stable, above 0.25 a major shift. Shares below 1e-4
    count as 1e-4.
    """
    return float(_psi(np.asarray(reference_shares), np.asarray(current_shares)))


def shares(profile: ColumnProfile) -> Floats:
    """The reference's share of each bin, as `bin_numbers` counts them; the last bin is null."""
    if profile["kind"] == "numeric":
        return np.array([*profile["shares"], profile["null_share"]])
    groups = _groups(profile["categories"])
    of_groups = np.zeros(max(groups.values(), default=-1) + 1)
    for name, group in groups.items():
        of_groups[group] += profile["categories"][name]
    return np.array([*of_groups, 0.0, profile["null_share"]])


def bin_numbers(values: pl.Series, profile: ColumnProfile) -> Integers:
    """The bin of each value: the profile's bins, then one for unseen categories, then null.

    Values of another type than the profile's are converted, and are null where that fails.
    """
    if profile["kind"] == "numeric":
        return _numeric_bins(numbers(values), profile["edges"])
    groups = _groups(profile["categories"])
    unseen = max(groups.values(), default=-1) + 1
    texts = values.cast(pl.String, strict=False)
    bins = texts.replace_strict(groups, default=unseen, return_dtype=pl.Int64)
    return bins.set(texts.is_null(), unseen + 1).to_numpy()


def numbers(values: pl.Series) -> Floats:
    """The values as floats, NaN where they are null or no numbers."""
    return values.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()


@dataclass(frozen=True, kw_only=True)
class _Days:
    """The day of each row, as a number from 0, and how the PSI of usual days is summed up."""

    codes: Integers
    rows: Integers
    quantile: float
    minimum_rows: int

    @classmethod
    def of(cls, days: pl.Series, *, quantile: float, minimum_rows: int) -> Self:
        codes = days.rank("dense").cast(pl.Int64).to_numpy() - 1
        rows = np.bincount(codes)
        return cls(codes=codes, rows=rows, quantile=quantile, minimum_rows=minimum_rows)

    def count(self, bins: Integers, size: int) -> Integers:
        """Rows by day and bin."""
        counts = np.bincount(self.codes * size + bins, minlength=len(self.rows) * size)
        return counts.reshape(len(self.rows), size)

    def threshold(self, reference: Floats, counts: Integers) -> float:
        """The quantile of the PSI of usual days, 0 where no day has enough rows."""
        usual = self.rows >= self.minimum_rows
        if not usual.any():
            return 0.0
        by_day = counts[usual] / self.rows[usual, None]
        return float(np.quantile(_psi(reference, by_day), self.quantile))


def _column_profile(values: pl.Series, days: _Days) -> ColumnProfile:
    if values.dtype.is_numeric() or values.dtype == pl.Null:
        return _numeric_profile(numbers(values), days)
    if values.dtype not in (pl.String, pl.Boolean, pl.Categorical, pl.Enum):
        raise TypeError(
            f"column {values.name!r} is {values.dtype}: a model's input is a number, a text or a "
            "boolean"
        )
    counts = values.cast(pl.String).alias("category").drop_nulls().value_counts(name="rows")
    counts = counts.sort(["rows", "category"], descending=[True, False])
    profile = CategoricalProfile(
        kind="categorical",
        categories={name: count / len(values) for name, count in counts.iter_rows()},
        null_share=values.null_count() / len(values),
        threshold=0.0,
    )
    reference = shares(profile)
    by_day = days.count(bin_numbers(values, profile), len(reference))
    return {**profile, "threshold": days.threshold(reference, by_day)}


def _numeric_profile(values: Floats, days: _Days) -> NumericProfile:
    finite = np.sort(values[np.isfinite(values)])
    # A column of infinities gets a middle bin for the finite values to come, one of nulls no edge.
    without_finite = [] if np.isnan(values).all() else [-GREATEST, GREATEST]
    edges = _edges(finite) if len(finite) else without_finite
    by_day = days.count(_numeric_bins(values, edges), len(edges) + 2)
    reference = by_day.sum(axis=0) / len(values)
    return NumericProfile(
        kind="numeric",
        edges=edges,
        shares=reference[:-1].tolist(),
        null_share=float(reference[-1]),
        minimum=float(finite[0]) if len(finite) else None,
        maximum=float(finite[-1]) if len(finite) else None,
        threshold=days.threshold(reference, by_day),
    )


def _edges(finite: Floats) -> list[float]:
    """The inner decile edges of sorted values, each a value that occurs, without repetitions."""
    ranks = [-(-len(finite) * i // BINS) - 1 for i in range(1, BINS)]
    edges: list[float] = np.unique(finite[ranks]).tolist()
    # Where the least value fills a bin of its own, a lower one must not fall into it unseen.
    if edges[0] == finite[0] > -GREATEST:
        edges.insert(0, float(np.nextafter(edges[0], -np.inf)))
    return edges


def _numeric_bins(values: Floats, edges: Sequence[float]) -> Integers:
    # One comparison per edge is three times as fast as a binary search of so few edges.
    bins = np.zeros(len(values), np.int8)
    for edge in edges:
        bins += values > edge
    bins[np.isnan(values)] = len(edges) + 1
    return bins.astype(np.int64)


def _groups(categories: Mapping[str, float]) -> dict[str, int]:
    """The bin of every category seen; rare ones are put together until a bin has its share.

    They are taken by name: were they taken by share, the first bins would hold what happened to
    be frequent in the reference, and less of it later.
    """
    least = LEAST_SHARE - 1e-9
    frequent = sorted(name for name, share in categories.items() if share >= least)
    groups = {name: number for number, name in enumerate(frequent)}
    group, filled = len(frequent), 0.0
    for name in sorted(set(categories) - set(frequent)):
        groups[name] = group
        filled += categories[name]
        if filled >= least:
            group, filled = group + 1, 0.0
    # Those left over, too few for a bin, join the last bin of rare ones.
    last = max(group - 1, len(frequent))
    return {name: min(number, last) for name, number in groups.items()}


def _psi(reference: Floats, current: Floats) -> Floats:
    p, q = np.maximum(reference, SHARE_FLOOR), np.maximum(current, SHARE_FLOOR)
    return np.sum((q - p) * np.log(q / p), axis=-1)
