"""The pictures of an evaluation: the network and the baseline on the same holdout, as PNG."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlplat_assets.metrics import reliability
from mlplat_assets.model_spec import Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType
    from numpy.typing import ArrayLike, NDArray

INK, QUIET, GRID = "#1f2933", "#6b7785", "#e6e9ed"
# Okabe and Ito's blue, vermilion and green: told apart by colour-blind readers and in print.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
STYLE: "dict[RcKeyType, object]" = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlepad": 10,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
}


def evaluation_plot(
    task: Task, truth: "ArrayLike", predictions: Mapping[str, "ArrayLike"], *, title: str
) -> bytes:
    """One PNG of about 100 kB that compares predictors, by their names, on the same rows.

    `binary`: reliability over equal-mass bins, ROC, precision-recall. `regression`: predicted
    against actual, and residuals. The first predictor is the candidate.

    Raises:
        ValueError: There is no predictor, or one has not as many rows as the truth.
    """
    import numpy as np
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    actual = np.asarray(truth, dtype=np.float64)
    found = {name: np.asarray(given, dtype=np.float64) for name, given in predictions.items()}
    wrong = [name for name, given in found.items() if given.shape != actual.shape]
    if wrong or not found or len(actual) == 0:
        raise ValueError(
            f"plots need at least one predictor with the truth's {len(actual)} rows; "
            f"given {', '.join(found) or 'none'}, of another length: {', '.join(wrong) or 'none'}"
        )
    # Figure and canvas made by hand: pyplot would keep a global registry of figures.
    with rc_context(STYLE):
        figure = Figure(figsize=(11.4, 4.1), dpi=110, layout="constrained")
        FigureCanvasAgg(figure)
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)  # pyright: ignore
        draw = binary_panels if task == "binary" else regression_panels
        draw(figure, actual, found)
        figure.suptitle(title, x=0.012, ha="left", fontsize=12, fontweight="bold", color=INK)
        stream = io.BytesIO()
        # No software version in the file: the same rows give the same bytes.
        figure.savefig(stream, format="png", metadata={"Software": None}, facecolor="white")
    return stream.getvalue()


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


def span(values: "NDArray", low: float, high: float) -> tuple[float, float]:
    """The values between two quantiles, or one unit around a constant."""
    import numpy as np

    first, last = (float(end) for end in np.quantile(values, (low, high)))
    return (first, last) if first < last else (first - 0.5, first + 0.5)


def diagonal(axes: "Axes") -> None:
    """The line of perfect calibration, or of guessing."""
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=(0, (4, 3)))


def dress(axes: "Axes", title: str, x: str, y: str, top: float) -> None:
    """Title, labels and a square of limits from 0 to `top`."""
    axes.set(title=title, xlabel=x, ylabel=y, xlim=(0, top), ylim=(0, top))
    axes.set_box_aspect(1)
