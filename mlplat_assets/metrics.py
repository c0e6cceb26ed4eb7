"""Every metric that a gate may name, computed one way for networks, champions and baselines."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mlplat_assets.model_spec import METRICS, Task

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


# How each metric is computed: only those that are asked for are.
Ways = Mapping[str, Callable[[], float]]
# Bins of equal mass that every calibration error is over.
CALIBRATION_BINS = 10


def score(
    task: Task, truth: "ArrayLike", predictions: "ArrayLike", only: Sequence[str] = ()
) -> dict[str, float]:
    """Every metric of `model_spec.METRICS[task]`, or `only` some, on the same rows as floats.

    `truth` [n] is 0/1 for `binary` and `predictions` [n] the probability of 1; for `multiclass`
    it is the class's index and `predictions` [n, K] the probability of each; for `regression`
    both are in units of the label.

    Raises:
        ValueError: Lengths differ, there are no rows, a value is not finite, or a truth of
            classes has one class only, for which no AUC exists.
    """
    import numpy as np

    actual = np.asarray(truth, dtype=np.float64)
    predicted = np.asarray(predictions, dtype=np.float64)
    if (
        actual.ndim != 1
        or len(actual) == 0
        or predicted.shape[:1] != actual.shape
        or predicted.ndim != (2 if task == "multiclass" else 1)
    ):
        raise ValueError(
            f"truth has shape {actual.shape} and predictions {predicted.shape}; "
            "give two sequences of the same rows, at least one"
        )
    for name, values in (("truth", actual), ("predictions", predicted)):
        if bad := int((~np.isfinite(values)).sum()):
            raise ValueError(f"{bad} of {values.size} {name} are not finite; drop or repair them")
    makers = {"binary": binary, "multiclass": multiclass, "regression": regression}
    ways = makers[task](actual, predicted)
    return {name: float(ways[name]()) for name in only or METRICS[task]}


def binary(truth: "NDArray", probability: "NDArray") -> Ways:
    """Ranking (auc, average_precision), decision at 0.5 (accuracy) and probability quality."""
    import numpy as np
    from sklearn import metrics

    if not np.isin(truth, (0, 1)).all() or truth.min() == truth.max():
        raise ValueError(
            f"a binary truth needs both 0 and 1 and nothing else, found "
            f"{np.unique(truth)[:5].tolist()} in {len(truth)} rows; widen the period"
        )
    return {
        "auc": lambda: metrics.roc_auc_score(truth, probability),
        "average_precision": lambda: metrics.average_precision_score(truth, probability),
        "accuracy": ((probability >= 0.5) == truth).mean,
        "log_loss": log_losses(truth, probability).mean,
        "brier": ((probability - truth) ** 2).mean,
        "ece": lambda: expected_calibration_error(truth, probability),
    }


def multiclass(truth: "NDArray", probabilities: "NDArray") -> Ways:
    """Means over the classes that occur (macro), and the quality of the class that is decided.

    `macro_auc` ranks each class against the rest; `ece` is of the decided class's probability.
    """
    import numpy as np
    from sklearn import metrics

    classes, index = probabilities.shape[1], truth.astype(np.int64)
    present = np.unique(index)
    if (index != truth).any() or present[0] < 0 or present[-1] >= classes or len(present) < 2:
        raise ValueError(
            f"a truth of {classes} classes needs two or more of 0 to {classes - 1} and nothing "
            f"else, found {np.unique(truth)[:5].tolist()} in {len(truth)} rows; widen the period"
        )
    decided = probabilities.argmax(axis=1)
    right = decided == index

    def macro_auc() -> float:
        areas = [metrics.roc_auc_score(index == k, probabilities[:, k]) for k in present]
        return float(np.mean(areas))

    return {
        "macro_auc": macro_auc,
        "accuracy": right.mean,
        "macro_f1": lambda: metrics.f1_score(index, decided, labels=present, average="macro"),
        "log_loss": log_losses(index, probabilities).mean,
        "ece": lambda: expected_calibration_error(right, probabilities.max(axis=1)),
    }


def log_losses(truth: "NDArray", probability: "NDArray") -> "NDArray":
    """Minus the logarithm of the probability that each row's truth was given, at most 36.04.

    Probabilities are clipped by the rounding of float64, as scikit-learn does, so that a sure
    mistake costs much and not everything.
    """
    import numpy as np

    if probability.ndim == 1:
        given = np.where(truth == 1, probability, 1 - probability)
    else:
        given = np.take_along_axis(probability, truth.astype(np.int64)[:, None], axis=1)[:, 0]
    return -np.log(np.maximum(given, np.finfo(np.float64).eps))


def regression(truth: "NDArray", predicted: "NDArray") -> Ways:
    """Explained variance (r2) and mean errors (mae, rmse) in units of the label."""
    from sklearn import metrics

    return {
        "r2": lambda: metrics.r2_score(truth, predicted),
        "mae": lambda: metrics.mean_absolute_error(truth, predicted),
        "rmse": lambda: metrics.root_mean_squared_error(truth, predicted),
    }


def expected_calibration_error(
    truth: "NDArray", probability: "NDArray", bins: int = CALIBRATION_BINS
) -> float:
    """Mean gap between predicted probability and observed rate over bins of equal mass.

    Guo et al. 2017 ("On Calibration of Modern Neural Networks"), whose bins have equal width;
    equal mass (Nguyen and O'Connor 2015) keeps every bin populated when positives are rare.
    Rows are ordered by probability and cut into `bins` groups of as equal size as can be.
    """
    predicted, observed, rows = reliability(truth, probability, bins)
    return float((abs(predicted - observed) * rows).sum() / rows.sum())


def reliability(
    truth: "NDArray", probability: "NDArray", bins: int = CALIBRATION_BINS
) -> tuple["NDArray", "NDArray", "NDArray"]:
    """Mean probability, observed rate and rows of each equal-mass bin, lowest first.

    Equal probabilities never part: a bin that would end among them takes them all, so the
    result does not depend on the order of rows.
    """
    import numpy as np

    order = np.argsort(probability, kind="stable")
    ordered = probability[order]
    wanted = np.linspace(0, len(ordered), min(bins, len(ordered)) + 1)[1:-1].round().astype(int)
    cuts = np.unique(np.searchsorted(ordered, ordered[wanted], side="left"))
    starts = np.unique(np.concatenate(([0], cuts)))
    rows = np.diff(np.append(starts, len(ordered)))
    predicted = np.add.reduceat(ordered, starts) / rows
    observed = np.add.reduceat(truth[order], starts) / rows
    return predicted, observed, rows


def calibration_noise(truth: "NDArray", probability: "NDArray") -> float:
    """The calibration error that so many rows would show of perfectly calibrated predictions.

    A bin of n rows with mean probability p is off by chance by sqrt(p (1 - p) / n), of which the
    mean absolute value is sqrt(2 / pi) times that. An error about as large says nothing.
    """
    import numpy as np

    predicted, _, rows = reliability(truth, probability)
    chance = np.sqrt(2 / np.pi * predicted * (1 - predicted) / rows)
    return float((chance * rows).sum() / rows.sum())
