"""Predictors on the same rows: every metric with its interval, and the paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlplat_assets.assessment.weighted import resampled
from mlplat_assets.metrics import score
from mlplat_assets.model_spec import METRICS, Task
from mlplat_assets.statistics.intervals import (
    CONFIDENCE,
    RESAMPLES,
    Interval,
    Units,
    around,
    spread,
    wilson,
)
from mlplat_assets.statistics.ranking import auc_intervals

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The least and greatest value of each metric; any other lies from 0 to 1.
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "log_loss": (0, float("inf")),
    "mae": (0, float("inf")),
    "rmse": (0, float("inf")),
    "r2": (-float("inf"), 1),
}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The first predictor beside the others on the same rows.

    `metrics` by predictor and metric; `differences` by other predictor and metric, the first's
    value minus the other's in the metric's own unit. `method` says how the intervals were made.
    """

    metrics: dict[str, dict[str, Interval]]
    differences: dict[str, dict[str, Interval]]
    method: dict[str, object]


def compare(
    task: Task,
    truth: "NDArray",
    predictions: Mapping[str, "NDArray"],
    units: Units,
    *,
    seed: int,
    only: Sequence[str] = (),
) -> Comparison:
    """Metrics and differences with 95% intervals, of all metrics of the task or `only` some.

    AUC by DeLong, a share by Wilson, all others by a bootstrap in which every predictor meets the
    same draws. An interval is symmetric around the estimate, from the bootstrap's standard error
    and Student's quantile: percentiles of draws from 21 days are too narrow.

    Raises:
        ValueError: A predictor has other rows than the truth, or a metric is undefined on them.
    """
    import numpy as np

    wrong = [name for name, given in predictions.items() if len(given) != len(truth)]
    if wrong or len(units.codes) != len(truth):
        raise ValueError(
            f"a comparison is of the same {len(truth)} rows; {', '.join(wrong) or 'units'} "
            "has another number: predict the rows that are judged"
        )
    actual = np.asarray(truth, dtype=np.float64)
    given = {name: np.asarray(each, dtype=np.float64) for name, each in predictions.items()}
    wanted = list(only) or list(METRICS[task])
    values = {name: score(task, actual, each, only) for name, each in given.items()}
    found: dict[str, dict[str, Interval]] = {name: {} for name in given}
    differences: dict[str, dict[str, Interval]] = {name: {} for name in list(given)[1:]}
    if task == "binary" and "auc" in wanted:
        own, gains = auc_intervals(actual, list(given.values()), units)
        for name, interval in zip(given, own, strict=True):
            found[name]["auc"] = interval
        for name, interval in zip(differences, gains, strict=True):
            differences[name]["auc"] = interval
    others = [name for name in wanted if not (task == "binary" and name == "auc")]
    draws = resampled(task, actual, given, units, seed, others) if others else {}
    first = next(iter(given))
    for metric in others:
        for name in given:
            error = spread(draws[name][metric], units.count)
            found[name][metric] = _own(metric, values[name][metric], error, len(actual), units)
        for name in differences:
            error = spread(draws[first][metric] - draws[name][metric], units.count)
            gain = values[first][metric] - values[name][metric]
            differences[name][metric] = around(gain, error, units.count, _difference_of(metric))
    return Comparison(
        metrics={name: {m: each[m] for m in wanted} for name, each in found.items()},
        differences={name: {m: each[m] for m in wanted} for name, each in differences.items()},
        method=method_of(units, seed),
    )


def method_of(units: Units, seed: int) -> dict[str, object]:
    """How intervals are made, for evidence."""
    return {
        "confidence": CONFIDENCE,
        "unit": units.kind,
        "units": units.count,
        "rows": len(units.codes),
        "resamples": RESAMPLES,
        "seed": seed,
        "auc": "DeLong 1988" if units.kind == "row" else "DeLong by clusters, Obuchowski 1997",
        "accuracy": "Wilson at the effective number of rows",
        "others": "paired bootstrap, Student's t",
    }


def _own(metric: str, value: float, error: float, number: int, units: Units) -> Interval:
    if metric == "accuracy":
        return wilson(value, error, number, units.count)
    return around(value, error, units.count, _BOUNDS.get(metric, (0, 1)))


def _difference_of(metric: str) -> tuple[float, float]:
    low, high = _BOUNDS.get(metric, (0, 1))
    return low - high, high - low
