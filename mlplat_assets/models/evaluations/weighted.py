"""Every metric under many weightings of the same rows at once, as a bootstrap needs it.

With whole weights a metric equals `metrics.score` of the rows repeated so often. What is a mean of
rows is summed by unit once; what depends on ranks is sorted once and accumulated by weighting.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mlplat_assets.metrics import CALIBRATION_BINS, log_losses
from mlplat_assets.model_spec import Task
from mlplat_assets.models.evaluations.intervals import Units

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
) -> dict[str, dict[str, "NDArray"]]:
    """Each metric [resamples] of each predictor over the same draws of units."""
    import numpy as np

    makers = {"binary": binary, "multiclass": multiclass, "regression": regression}
    weigh = {name: makers[task](truth, given, units) for name, given in predictions.items()}
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


def binary(truth: "NDArray", probability: "NDArray", units: Units) -> Weigh:
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

    def weigh(weights: "NDArray") -> dict[str, "NDArray"]:
        ranked.accumulate(weights)
        found = {"average_precision": ranked.average_precision(), "ece": ranked.ece()}
        return mean(weights) | found

    return weigh


def regression(truth: "NDArray", predicted: "NDArray", units: Units) -> Weigh:
    """Mean errors, and r2 from weighted sums of squares."""
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


def multiclass(truth: "NDArray", probabilities: "NDArray", units: Units) -> Weigh:
    """From the counts of truth by decision, and the ranks of each class against the rest."""
    import numpy as np

    classes, decided = probabilities.shape[1], probabilities.argmax(axis=1)
    index = truth.astype(np.int64)
    right = decided == index
    mean = means(units, {"accuracy": right, "log_loss": log_losses(index, probabilities)})
    cells = (units.codes * classes + index) * classes + decided
    counts = np.bincount(cells, minlength=units.count * classes**2).reshape(units.count, -1)
    confident = Ranked(right, probabilities.max(axis=1), units)
    present = np.unique(index)
    ranked = [Ranked(index == k, probabilities[:, k], units) for k in present]

    def weigh(weights: "NDArray") -> dict[str, "NDArray"]:
        table = (weights @ counts).reshape(len(weights), classes, classes)
        confident.accumulate(weights)
        areas = []
        for each in ranked:
            each.accumulate(weights)
            areas.append(each.auc())
        return mean(weights) | {
            "macro_f1": macro_f1(table),
            "macro_auc": mean_known(np.stack(areas, axis=1)),
            "ece": confident.ece(),
        }

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


class Ranked:
    """Rows in ascending order of score, and what accumulates along them under each weighting."""

    def __init__(self, truth: "NDArray", score: "NDArray", units: Units) -> None:
        """Sort once; `truth` is 0/1."""
        import numpy as np

        order = np.argsort(score, kind="stable")
        self._score = score[order]
        self._positive = truth[order].astype(np.float64)
        self._units = units.codes[order]
        changes = np.flatnonzero(np.diff(self._score)) + 1
        # Where each run of equal scores starts, and the end of the last.
        self._edges = np.concatenate(([0], changes, [len(order)]))
        # The edge that a row's run starts at.
        self._start = np.repeat(np.arange(len(self._edges) - 1), np.diff(self._edges))

    def accumulate(self, weights: "NDArray") -> None:
        """Weights of all rows, and of positive ones, below each edge [b, edges]."""
        self._weights = weights[:, self._units]
        self._mass = self._below(self._weights)
        self._hits = self._below(self._weights * self._positive)

    def auc(self) -> "NDArray":
        """Share of pairs in order, ties half; NaN where a class has no weight."""
        import numpy as np

        hits, misses = np.diff(self._hits), np.diff(self._mass - self._hits)
        below = (self._mass - self._hits)[:, :-1]
        pairs = hits.sum(axis=1) * misses.sum(axis=1)
        found = np.full(len(hits), np.nan)
        return np.divide((hits * (below + misses / 2)).sum(axis=1), pairs, out=found, where=pairs > 0)

    def average_precision(self) -> "NDArray":
        """Precision at each threshold, weighted by the recall that it adds."""
        import numpy as np

        hits, total = np.diff(self._hits), self._hits[:, -1]
        above = self._mass[:, -1:] - self._mass[:, :-1]
        precision = np.zeros_like(hits)
        np.divide(total[:, None] - self._hits[:, :-1], above, out=precision, where=above > 0)
        found = np.full(len(hits), np.nan)
        return np.divide((hits * precision).sum(axis=1), total, out=found, where=total > 0)

    def ece(self) -> "NDArray":
        """Calibration error over bins of equal weight, cut where `metrics.reliability` cuts."""
        import numpy as np

        promised = self._below(self._weights * self._score)
        total = self._mass[:, -1]
        gaps = np.zeros((len(total), CALIBRATION_BINS))
        along = np.cumsum(self._weights, axis=1)
        for place, size in enumerate(total):
            bins = min(CALIBRATION_BINS, int(size))
            wanted = np.linspace(0, size, bins + 1)[1:-1].round()
            cuts = self._start[np.searchsorted(along[place], wanted, side="right")]
            cuts = np.concatenate(([0], cuts, [len(self._edges) - 1]))
            gaps[place, :bins] = np.diff(promised[place, cuts] - self._hits[place, cuts])
        return abs(gaps).sum(axis=1) / total

    def _below(self, values: "NDArray") -> "NDArray":
        import numpy as np

        start = np.zeros((len(values), 1))
        return np.concatenate((start, np.cumsum(values, axis=1)), axis=1)[:, self._edges]
