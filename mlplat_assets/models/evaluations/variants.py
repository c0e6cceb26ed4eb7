"""What a cheaper form of a model (quantised, exported) costs in accuracy."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlplat_assets.assessment.comparison import compare
from mlplat_assets.model_spec import METRICS, Task
from mlplat_assets.statistics.intervals import Interval, Units

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Variation:
    """The greatest difference of two predictions of one row, and what the metric loses.

    `loss` is in the metric's unit, positive where the variant is worse, with its 95% interval.
    """

    metric: str
    greatest_difference: float
    loss: Interval


def compare_variants(
    task: Task,
    metric: str,
    truth: "NDArray",
    original: "NDArray",
    other: "NDArray",
    units: Units,
    *,
    seed: int,
) -> Variation:
    """The predictions of a variant beside those of the original, on the same rows.

    Raises:
        ValueError: The two have other rows than the truth, or the metric is undefined on them.
    """
    found = compare(
        task, truth, {"original": original, "other": other}, units, seed=seed, only=(metric,)
    ).differences["other"][metric]
    lost = (found.estimate, found.low, found.high)
    if METRICS[task][metric] == "lower":
        lost = (-found.estimate, -found.high, -found.low)
    return Variation(
        metric=metric,
        greatest_difference=float(abs(original - other).max()),
        loss=Interval(estimate=lost[0], low=lost[1], high=lost[2]),
    )
