"""The pictures of an evaluation: the network and the baseline on the same holdout, as PNG."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlplat_assets.drawing import COLOURS, QUIET, diagonal, dress, png, span
from mlplat_assets.metrics import reliability
from mlplat_assets.model_spec import Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray


def evaluation_plot(
    task: Task, truth: "ArrayLike", predictions: Mapping[str, "ArrayLike"], *, title: str
) -> bytes:
    """One PNG of about 100 kB that compares predictors, by their names, on the same rows.

    `binary`: reliability over equal-mass bins, ROC, precision-recall. `multiclass`: reliability of
    the class that is decided, ROC of each class, what was decided for what was true. `regression`:
    predicted against actual, and residuals. The first predictor is the candidate.

    Raises:
        ValueError: There is no predictor, or one has not as many rows as the truth.
    """
    import numpy as np

    actual = np.asarray(truth, dtype=np.float64)
    found = {name: np.asarray(given, dtype=np.float64) for name, given in predictions.items()}
    wrong = [name for name, given in found.items() if given.shape[:1] != actual.shape]
    if wrong or not found or len(actual) == 0:
        raise ValueError(
            f"plots need at least one predictor with the truth's {len(actual)} rows; "
            f"given {', '.join(found) or 'none'}, of another length: {', '.join(wrong) or 'none'}"
        )
    panels = {
        "binary": binary_panels,
        "multiclass": multiclass_panels,
        "regression": regression_panels,
    }
    return png((11.4, 4.1), title, lambda figure: panels[task](figure, actual, found))


def binary_panels(figure: "Figure", truth: "NDArray", found: Mapping[str, "NDArray"]) -> None:
    """Reliability, ROC and precision-recall, side by side."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    calibration, roc, recall = figure.subplots(1, 3)
    diagonal(calibration)
    diagonal(roc)
    rate = float(truth.mean())
    recall.axhline(rate, color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
    recall.annotate(
        f"base rate {rate:.2f}",
        (0.02, rate),
        (0, -4),
        textcoords="offset points",
        va="top",
        color=QUIET,
        fontsize=8,
    )
    for (name, probability), colour in zip(found.items(), COLOURS, strict=False):
        predicted, observed, _ = reliability(truth, probability)
        calibration.plot(predicted, observed, "o-", color=colour, markersize=4, label=name)
        false_rate, true_rate, precision = curves(truth, probability)
        area = roc_auc_score(truth, probability)
        roc.plot(false_rate, true_rate, color=colour, label=f"{name}, AUC {area:.3f}")
        average = average_precision_score(truth, probability)
        recall.plot(true_rate, precision, color=colour, label=f"{name}, AP {average:.3f}")
    top = 1.05 * max(
        float(line.get_data()[i].max()) for line in calibration.lines[1:] for i in (0, 1)
    )
    dress(calibration, "Reliability", "Predicted probability", "Observed rate", min(1.0, top))
    dress(roc, "ROC", "False positive rate", "True positive rate", 1.0)
    dress(recall, "Precision and recall", "Recall", "Precision", 1.0)
    calibration.legend(loc="upper left")
    roc.legend(loc="lower right")
    recall.legend(loc="upper right")


def multiclass_panels(figure: "Figure", truth: "NDArray", found: Mapping[str, "NDArray"]) -> None:
    """Reliability of the decided class, ROC of each class against the rest, and the decisions."""
    import numpy as np
    from sklearn.metrics import roc_auc_score

    calibration, roc, decisions = figure.subplots(1, 3)
    diagonal(calibration)
    diagonal(roc)
    for (name, given), colour in zip(found.items(), COLOURS, strict=False):
        right = (given.argmax(axis=1) == truth).astype(np.float64)
        predicted, observed, _ = reliability(right, given.max(axis=1))
        calibration.plot(predicted, observed, "o-", color=colour, markersize=4, label=name)
    candidate = next(iter(found.values()))
    classes = candidate.shape[1]
    present = [k for k in range(classes) if (truth == k).any()]
    for k in present:
        false_rate, true_rate, _ = curves((truth == k).astype(np.float64), candidate[:, k])
        label = f"class {k}, AUC {roc_auc_score(truth == k, candidate[:, k]):.3f}"
        # Beyond the palette, lines are told apart no more: the first eight have a label.
        roc.plot(false_rate, true_rate, linewidth=1.4, label=label if k < 8 else None)
    cells = truth.astype(int) * classes + candidate.argmax(axis=1)
    counts = np.bincount(cells, minlength=classes**2).reshape(classes, classes)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    decisions.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    decisions.grid(visible=False)
    for row, column in np.ndindex(shares.shape) if classes <= 10 else ():
        dark = shares[row, column] > 0.5
        text = f"{shares[row, column]:.2f}"
        shown = {"ha": "center", "va": "center", "fontsize": 8}
        decisions.text(column, row, text, color="white" if dark else QUIET, **shown)
    decisions.set(title="Decisions, share of row", xlabel="Decided", ylabel="True")
    dress(calibration, "Reliability, decided class", "Probability", "Observed rate", 1.0)
    dress(roc, "ROC, class against rest", "False positive rate", "True positive rate", 1.0)
    calibration.legend(loc="upper left")
    roc.legend(loc="lower right", fontsize=7.5)


def curves(truth: "NDArray", probability: "NDArray") -> tuple["NDArray", "NDArray", "NDArray"]:
    """False positive rate, true positive rate and precision at 400 thresholds at most.

    Thinned by rank: full curves of 50,000 rows would draw the same pixels.
    """
    import numpy as np

    order = np.argsort(-probability, kind="stable")
    last = np.flatnonzero(np.append(np.diff(probability[order]) != 0, True))
    hits = np.cumsum(truth[order])[last]
    alarms = last + 1 - hits
    kept = np.unique(np.linspace(0, len(last) - 1, min(400, len(last))).round().astype(int))
    hits, alarms = hits[kept], alarms[kept]
    precision = hits / (hits + alarms)
    start = np.zeros(1)
    return (
        np.concatenate((start, alarms / alarms[-1])),
        np.concatenate((start, hits / hits[-1])),
        np.concatenate((precision[:1], precision)),
    )


def regression_panels(figure: "Figure", truth: "NDArray", found: Mapping[str, "NDArray"]) -> None:
    """Predicted against actual by equal-mass bins over the candidate's rows, and residuals."""
    against, residuals = figure.subplots(1, 2)
    candidate = next(iter(found.values()))
    edges = (*span(candidate, 0.001, 0.999), *span(truth, 0.01, 0.99))
    shade = {"cmap": "Greys", "bins": "log", "linewidths": 0, "alpha": 0.4}
    against.hexbin(candidate, truth, gridsize=45, extent=edges, **shade)
    for (name, given), colour in zip(found.items(), COLOURS, strict=False):
        predicted, observed, _ = reliability(truth, given, 20)
        against.plot(predicted, observed, "o-", color=colour, markersize=4, label=name)
    limits = against.get_xlim()
    against.plot(limits, limits, color=QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    against.set(title="Predicted and actual", xlabel="Predicted", ylabel="Actual, mean by bin")
    against.set(xlim=limits, ylim=edges[2:])
    against.legend(loc="upper left")
    residual_panel(residuals, {name: truth - given for name, given in found.items()})


def residual_panel(axes: "Axes", errors: Mapping[str, "NDArray"]) -> None:
    """Histograms of actual minus predicted over the same bins, the extremes cut off."""
    import numpy as np

    edges = np.linspace(*span(np.concatenate(list(errors.values())), 0.003, 0.985), 61).tolist()
    for (name, error), colour in zip(errors.items(), COLOURS, strict=False):
        label = f"{name}, MAE {abs(error).mean():.2f}"
        axes.hist(error, edges, histtype="step", linewidth=1.8, color=colour, label=label)
    axes.axvline(0, color=QUIET, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    axes.set(title="Residuals", xlabel="Actual minus predicted", ylabel="Rows")
    axes.legend(loc="upper right")
