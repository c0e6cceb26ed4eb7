"""Parts of the holdout on their own: how good the candidate is there, whether it lost ground."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, TypedDict

import polars as pl

from mlplat_assets.assessment.comparison import compare
from mlplat_assets.assessment.verdicts import Verdict, against_champion
from mlplat_assets.model_spec import METRICS, Slice, Task
from mlplat_assets.statistics.intervals import Units

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING = "missing"


class SliceResult(TypedDict):
    """One slice as evidence records it.

    `metrics` is the primary metric's interval by predictor, empty where it was not measured;
    `verdict` is None where the slice is not held to anything.
    """

    column: str
    value: str
    rows: int
    metric: str
    metrics: dict[str, dict[str, float]]
    difference: dict[str, float] | None
    margin: float | None
    verdict: Verdict | None
    passed: bool
    reason: str


def judge_slices(
    wanted: Slice,
    task: Task,
    metric: str,
    column: pl.Series,
    truth: "NDArray",
    predictions: Mapping[str, "NDArray"],
    units: Units,
    *,
    seed: int,
) -> list[SliceResult]:
    """Every slice of a column, by the predictors that the whole holdout is judged by.

    The first predictor is the candidate; one that is named `champion` is the champion.

    Raises:
        ValueError: The column is numeric and has no edges, or the other way round.
    """
    found = []
    for value, part in parts_of(wanted, column):
        mask = part.to_numpy()
        result = SliceResult(
            column=wanted.column,
            value=value,
            rows=int(mask.sum()),
            metric=metric,
            metrics={},
            difference=None,
            margin=wanted.margin,
            verdict=None,
            passed=True,
            reason="",
        )
        result["reason"] = _unjudged(wanted, task, truth[mask])
        if not result["reason"]:
            kept = {name: given[mask] for name, given in predictions.items()}
            _measure(result, task, truth[mask], kept, units.within(mask), seed)
        found.append(result)
    return found


def parts_of(wanted: Slice, column: pl.Series) -> Iterator[tuple[str, pl.Series]]:
    """The name and the rows of each slice: by value, or between edges; missing ones last.

    Raises:
        ValueError: The column is numeric and has no edges, or the other way round.
    """
    numeric = column.dtype.is_numeric()
    if numeric != bool(wanted.edges):
        raise ValueError(
            f"slice {wanted.column!r} is {column.dtype}: a number needs edges, and nothing else "
            f"has any; edges are {wanted.edges}"
        )
    missing = column.is_null()
    if numeric:
        if column.dtype.is_float():
            missing = missing | column.is_nan().fill_null(value=False)
        known = [-float("inf"), *wanted.edges, float("inf")]
        for low, high in pairwise(known):
            part = (column >= low) & (column < high) if high < known[-1] else column >= low
            yield _span(low, high), part.fill_null(value=False) & ~missing
    else:
        text = column.cast(pl.String)
        for value in sorted(text.drop_nulls().unique().to_list()):
            yield value, (text == value).fill_null(value=False)
    if missing.any():
        yield MISSING, missing


def _measure(
    result: SliceResult,
    task: Task,
    truth: "NDArray",
    predictions: Mapping[str, "NDArray"],
    units: Units,
    seed: int,
) -> None:
    metric = result["metric"]
    compared = compare(task, truth, predictions, units, seed=seed, only=(metric,))
    result["metrics"] = {name: own[metric].json() for name, own in compared.metrics.items()}
    candidate = next(iter(compared.metrics.values()))[metric]
    where = f"{result['column']} {result['value']}"
    result["reason"] = f"{where}: {metric} {candidate}"
    if "champion" not in compared.differences:
        return
    difference = compared.differences["champion"][metric]
    result["difference"] = difference.json()
    if result["margin"] is None:
        return
    verdict, reason = against_champion(
        metric,
        difference,
        result["margin"],
        higher_is_better=METRICS[task][metric] == "higher",
    )
    result.update(verdict=verdict, passed=verdict is Verdict.PASS, reason=f"{where}: {reason}")


def _unjudged(wanted: Slice, task: Task, truth: "NDArray") -> str:
    """Why a slice is not measured, empty where it is."""
    if len(truth) < wanted.minimum_rows:
        return f"{len(truth)} rows, fewer than {wanted.minimum_rows}: too small to judge"
    if task != "regression" and (truth == truth[0]).all():
        return f"all {len(truth)} rows have label {truth[0]:g}: no metric of ranking is defined"
    return ""


def _span(low: float, high: float) -> str:
    if low == -float("inf"):
        return f"below {high:g}"
    return f"from {low:g}" if high == float("inf") else f"{low:g} to below {high:g}"
