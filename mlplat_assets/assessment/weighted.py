"""Every metric under many weightings of the same rows at once, as a bootstrap needs it.

With whole weights a metric equals `metrics.score` of the rows repeated so often. What is a mean of
rows is summed by unit once; what depends on ranks is sorted once and accumulated by weighting.
"""

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from mlplat_assets.metrics import log_losses
from mlplat_assets.model_spec import Task
from mlplat_assets.statistics.intervals import Units
from mlplat_assets.statistics.ranked import Ranked

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Weights of units [b, units] to values [b] by metric; NaN where a weighting leaves one undefined.
Weigh = Callable[["NDArray"], dict[str, "NDArray"]]


def resampled(
    task: Task,
    truth: "NDArray",
    predictions: Mapping[str, "NDArray"],
    units: Units,
    seed: int,
    wanted: Collection[str],
) -> dict[str, dict[str, "NDArray"]]:
    """Each metric [resamples] of each predictor over the same draws of units.

    What is not wanted may be there or not.
    """
    import numpy as np

    makers = {"binary": binary, "multiclass": multiclass, "regression": regression}
    weigh = {name: makers[task](truth, given, units, wanted) for name, given in predictions.items()}
    blocks = [
        {name: each(weights) for name, each in weigh.items()} for weights in units.resamples(seed)
    ]
    return {
        name: {
            metric: np.concatenate([block[name][metric] for block in blocks])
            for metric in blocks[0][name]
        }
        for name in predictions
    }


def binary(
    truth: "NDArray", probability: "NDArray", units: Units, wanted: Collection[str]
) -> Weigh:
    """All but the AUC, whose error has a closed form."""
    mean = means(
        units,
        {
            "accuracy": (probability >= 0.5) == truth,
            "log_loss": log_losses(truth, probability),
            "brier": (probability - truth) ** 2,
        },
    )
    ranked = Ranked(truth, probability, units)
    by_rank = {"average_precision": ranked.average_precision, "ece": ranked.ece}
    asked = [name for name in by_rank if name in wanted]

    def weigh(weights: "NDArray") -> dict[str, "NDArray"]:
        if asked:
            ranked.accumulate(weights)
        return mean(weights) | {name: by_rank[name]() for name in asked}

    return weigh


def regression(
    truth: "NDArray", predicted: "NDArray", units: Units, wanted: Collection[str]
) -> Weigh:
    """Mean errors, and r2 from weighted sums of squares: all together, `wanted` or not."""
    import numpy as np

    error, centred = truth - predicted, truth - truth.mean()
    mean = means(
        units,
        {"mae": abs(error), "square": error**2, "truth": centred, "truth_square": centred**2},
    )

    def weigh(weights: "NDArray") -> dict[str, "NDArray"]:
        found = mean(weights)
        variance = found["truth_square"] - found["truth"] ** 2
        r2 = np.full(len(weights), np.nan)
        np.divide(found["square"], variance, out=r2, where=variance > 0)
        return {"r2": 1 - r2, "mae": found["mae"], "rmse": np.sqrt(found["square"])}

    return weigh


def multiclass(
    truth: "NDArray", probabilities: "NDArray", units: Units, wanted: Collection[str]
) -> Weigh:
    """From the counts of truth by decision, and the ranks of each class against the rest."""
    import numpy as np

    classes, decided = probabilities.shape[1], probabilities.argmax(axis=1)
    index = truth.astype(np.int64)
    right = decided == index
    mean = means(units, {"accuracy": right, "log_loss": log_losses(index, probabilities)})
    cells = (units.codes * classes + index) * classes + decided
    counts = np.bincount(cells, minlength=units.count * classes**2).reshape(units.count, -1)
    confident = Ranked(right, probabilities.max(axis=1), units)
    ranked = [Ranked(index == k, probabilities[:, k], units) for k in np.unique(index)]

    def weigh(weights: "NDArray") -> dict[str, "NDArray"]:
        table = (weights @ counts).reshape(len(weights), classes, classes)
        found = mean(weights) | {"macro_f1": macro_f1(table)}
        if "ece" in wanted:
            confident.accumulate(weights)
            found["ece"] = confident.ece()
        if "macro_auc" in wanted:
            areas = []
            for each in ranked:
                each.accumulate(weights)
                areas.append(each.auc())
            found["macro_auc"] = mean_known(np.stack(areas, axis=1))
        return found

    return weigh


def means(units: Units, values: Mapping[str, "NDArray"]) -> Weigh:
    """Weighted means of rows' values."""
    import numpy as np

    sums = np.stack([units.sums(each) for each in values.values()], axis=1)
    sizes = np.bincount(units.codes, minlength=units.count)

    def weigh(weights: "NDArray") -> dict[str, "NDArray"]:
        found = (weights @ sums) / (weights @ sizes)[:, None]
        return {name: found[:, place] for place, name in enumerate(values)}

    return weigh


def macro_f1(table: "NDArray") -> "NDArray":
    """Mean F1 [b] over the classes that occur, from counts [b, truth, decided]."""
    import numpy as np

    occurs, decided = table.sum(axis=2), table.sum(axis=1)
    hits = np.diagonal(table, axis1=1, axis2=2)
    f1 = np.full(occurs.shape, np.nan)
    np.divide(2 * hits, occurs + decided, out=f1, where=occurs > 0)
    return mean_known(f1)


def mean_known(values: "NDArray") -> "NDArray":
    """Means [b] of values [b, k] that are not NaN; NaN where none is known."""
    import numpy as np

    known = np.isfinite(values)
    found = np.full(len(values), np.nan)
    total = np.where(known, values, 0).sum(axis=1)
    return np.divide(total, known.sum(axis=1), out=found, where=known.any(axis=1))
