"""The area under the ROC curve with its covariance over predictors, in closed form.

DeLong, DeLong and Clarke-Pearson 1988, by the ranks of Sun and Xu 2014 in O(n log n); for rows
that come in clusters, Obuchowski 1997 ("Nonparametric analysis of clustered ROC curve data"),
which is DeLong's where every cluster is one row.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlplat_assets.statistics.intervals import Interval, Units, around

if TYPE_CHECKING:
    from numpy.typing import NDArray


def auc_intervals(
    truth: "NDArray", predictions: Sequence["NDArray"], units: Units
) -> tuple[list[Interval], list[Interval]]:
    """The AUC of each predictor, and how much that of the first is above each other's.

    `truth` is 0/1 [n], each prediction [n], on the same rows. Where one class lies in a single
    unit no variance can be told, and an interval is all that is possible.
    """
    import numpy as np

    areas, covariance, known = auc_covariance(truth, predictions, units)
    own = [
        around(float(area), float(np.sqrt(variance)), known, (0, 1))
        for area, variance in zip(areas, np.diag(covariance), strict=True)
    ]
    gains = []
    for other in range(1, len(predictions)):
        if (predictions[0] == predictions[other]).all():
            error = 0.0
        elif known < 2:
            error = np.inf
        else:
            variance = covariance[0, 0] + covariance[other, other] - 2 * covariance[0, other]
            error = float(np.sqrt(max(variance, 0.0)))
        gains.append(around(float(areas[0] - areas[other]), error, known, (-1, 1)))
    return own, gains


def auc_covariance(
    truth: "NDArray", predictions: Sequence["NDArray"], units: Units
) -> tuple["NDArray", "NDArray", int]:
    """Areas [k], their covariance [k, k], and how many units hold the rarer class.

    The covariance is infinite where that number is one.
    """
    import numpy as np

    positive = truth == 1
    total, other = int(positive.sum()), int((~positive).sum())
    found = [placements(positive, predicted) for predicted in predictions]
    areas = np.array([above.mean() for above, _ in found])
    up = np.array(
        [_by_unit(units, positive, a - area) for (a, _), area in zip(found, areas, strict=True)]
    )
    down = np.array(
        [_by_unit(units, ~positive, b - area) for (_, b), area in zip(found, areas, strict=True)]
    )
    ups, downs = (len(np.unique(units.codes[part])) for part in (positive, ~positive))
    known = min(ups, downs)
    if known < 2:
        return areas, np.full((len(areas), len(areas)), np.inf), known
    cross = up @ down.T
    covariance = (
        _unbiased(ups) * (up @ up.T) / total**2
        + _unbiased(downs) * (down @ down.T) / other**2
        + _unbiased(units.count) * (cross + cross.T) / (total * other)
    )
    # Clustered, the sum of three estimates may fall below zero by chance.
    np.fill_diagonal(covariance, np.maximum(np.diag(covariance), 0))
    return areas, covariance, known


def placements(positive: "NDArray", predicted: "NDArray") -> tuple["NDArray", "NDArray"]:
    """For each positive the share of negatives below it, for each negative that of positives above.

    Ties count half. Both have the area as their mean.
    """
    from scipy.stats import rankdata

    high, low = predicted[positive], predicted[~positive]
    ranks = rankdata(predicted)
    return (
        (ranks[positive] - rankdata(high)) / len(low),
        1 - (ranks[~positive] - rankdata(low)) / len(high),
    )


def _by_unit(units: Units, part: "NDArray", values: "NDArray") -> "NDArray":
    import numpy as np

    return np.bincount(units.codes[part], values, units.count)


def _unbiased(count: int) -> float:
    return count / (count - 1)
