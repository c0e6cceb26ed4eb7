"""Every metric that a gate may name, computed one way for networks, champions and baselines."""

from typing import TYPE_CHECKING

from mlplat_assets.model_spec import METRICS, Task

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def score(task: Task, truth: "ArrayLike", predictions: "ArrayLike") -> dict[str, float]:
    """Every metric of `spec.METRICS[task]` on the same rows, as plain floats.

    `truth` is 0/1 for `binary` and `predictions` the probability of 1; both are in units of the
    label for `regression`.

    Raises:
        ValueError: Lengths differ, there are no rows, a value is not finite, or a binary truth
            has one class only, for which no AUC exists.
    """
    import numpy as np

    actual = np.asarray(truth, dtype=np.float64)
    predicted = np.asarray(predictions, dtype=np.float64)
    if actual.shape != predicted.shape or actual.ndim != 1 or len(actual) == 0:
        raise ValueError(
            f"truth has shape {actual.shape} and predictions {predicted.shape}; "
            "give two sequences of the same rows, at least one"
        )
    for name, values in (("truth", actual), ("predictions", predicted)):
        if bad := int((~np.isfinite(values)).sum()):
            raise ValueError(f"{bad} of {len(values)} {name} are not finite; drop or repair them")
    found = binary(actual, predicted) if task == "binary" else regression(actual, predicted)
    return {name: found[name] for name in METRICS[task]}


def binary(truth: "NDArray", probability: "NDArray") -> dict[str, float]:
    """Ranking (auc, average_precision), decision at 0.5 (accuracy) and probability quality."""
    import numpy as np
    from sklearn import metrics

    if not np.isin(truth, (0, 1)).all() or truth.min() == truth.max():
        raise ValueError(
            f"a binary truth needs both 0 and 1 and nothing else, found "
            f"{np.unique(truth)[:5].tolist()} in {len(truth)} rows; widen the period"
        )
    return {
        "auc": float(metrics.roc_auc_score(truth, probability)),
        "average_precision": float(metrics.average_precision_score(truth, probability)),
        "accuracy": float(metrics.accuracy_score(truth, probability >= 0.5)),
        "log_loss": float(metrics.log_loss(truth, probability)),
        "brier": float(metrics.brier_score_loss(truth, probability)),
        "ece": expected_calibration_error(truth, probability),
    }


def regression(truth: "NDArray", predicted: "NDArray") -> dict[str, float]:
    """Explained variance (r2) and mean errors (mae, rmse) in units of the label."""
    from sklearn import metrics

    return {
        "r2": float(metrics.r2_score(truth, predicted)),
        "mae": float(metrics.mean_absolute_error(truth, predicted)),
        "rmse": float(metrics.root_mean_squared_error(truth, predicted)),
    }


def expected_calibration_error(truth: "NDArray", probability: "NDArray", bins: int = 10) -> float:
    """Mean gap between predicted probability and observed rate over bins of equal mass.

    Guo et al. 2017 ("On Calibration of Modern Neural Networks"), whose bins have equal width;
    equal mass (Nguyen and O'Connor 2015) keeps every bin populated when positives are rare.
    Rows are ordered by probability and cut into `bins` groups of as equal size as can be.
    """
    predicted, observed, rows = reliability(truth, probability, bins)
    return float((abs(predicted - observed) * rows).sum() / rows.sum())


def reliability(
    truth: "NDArray", probability: "NDArray", bins: int = 10
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
