"""Pictures of an evaluation's parts: scores, slices with their intervals, importance of inputs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mlplat_assets.assessment.slices import SliceResult
from mlplat_assets.models.evaluations.drawing import COLOURS, QUIET, png, span
from mlplat_assets.models.evaluations.importance import Importance

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

# Rows of a picture: more are not read, and a column of a thousand values is no picture.
SHOWN_SLICES, SHOWN_INPUTS = 40, 20


def score_plot(truth: "NDArray", predictions: Mapping[str, "NDArray"], *, title: str) -> bytes:
    """How each predictor of a binary model spreads its probabilities, by what came true."""
    import numpy as np

    def draw(figure: "Figure") -> None:
        every = np.atleast_1d(figure.subplots(1, len(predictions), sharex=True, sharey=True))
        top = max(span(each, 0.0, 0.999)[1] for each in predictions.values())
        edges = np.linspace(0, top, 51).tolist()
        for axes, (name, given) in zip(every, predictions.items(), strict=True):
            for value, told, colour in ((0, "negative", COLOURS[0]), (1, "positive", COLOURS[1])):
                part = given[truth == value]
                axes.hist(
                    part,
                    edges,
                    density=True,
                    histtype="step",
                    linewidth=1.8,
                    color=colour,
                    label=f"{told}, {len(part):,} rows",
                )
            axes.set(title=name, xlabel="Predicted probability", xlim=(0, top))
        every[0].set_ylabel("Density")
        every[0].legend(loc="upper right")

    return png((3.8 * max(2, len(predictions)), 3.6), title, draw)


def slice_plot(found: Sequence[SliceResult], *, title: str) -> bytes:
    """The primary metric of candidate and champion in each slice that was measured.

    Raises:
        ValueError: None was.
    """
    measured = [each for each in found if each["metrics"]]
    if not measured:
        raise ValueError("no slice was measured: each is too small, or has one class only")
    shown = sorted(measured, key=lambda each: -each["rows"])[:SHOWN_SLICES]
    shown.sort(key=measured.index)

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        names = list(shown[0]["metrics"])
        for place, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
            offset = 0.16 * (2 * place - len(names) + 1)
            _intervals(axes, [each["metrics"][name] for each in shown], offset, name, colour)
        labels = [f"{each['column']} {each['value']}  ({each['rows']:,})" for each in shown]
        axes.set_yticks(range(len(shown)), labels)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.set(xlabel=f"{shown[0]['metric']}, 95% interval (rows in brackets)")
        axes.grid(visible=False, axis="y")
        axes.legend(loc="best")

    return png((8.6, 1.5 + 0.3 * len(shown)), title, draw)


def importance_plot(
    inputs: Sequence[Importance], views: Sequence[Importance], metric: str, *, title: str
) -> bytes:
    """What the metric loses without each of the first inputs, and without each view."""
    shown = inputs[:SHOWN_INPUTS]

    def draw(figure: "Figure") -> None:
        alone, together = figure.subplots(1, 2)
        for axes, bars, told in ((alone, shown, "Inputs"), (together, views, "Feature views")):
            losses = [
                {"estimate": each["loss"], "low": each["low"], "high": each["high"]}
                for each in bars
            ]
            axes.barh(
                range(len(bars)), [each["loss"] for each in bars], color=COLOURS[0], alpha=0.35
            )
            _intervals(axes, losses, 0, None, COLOURS[0])
            axes.axvline(0, color=QUIET, linewidth=1)
            axes.set_yticks(range(len(bars)), [each["name"] for each in bars])
            axes.set_ylim(len(bars) - 0.4, -0.6)
            axes.set(title=told, xlabel=f"Loss of {metric} when permuted")
            axes.grid(visible=False, axis="y")

    return png((11.4, 1.6 + 0.24 * max(len(shown), len(views))), title, draw)


def _intervals(
    axes: "Axes",
    found: Sequence[Mapping[str, float]],
    offset: float,
    label: str | None,
    colour: str,
) -> None:
    places = [row + offset for row in range(len(found))]
    axes.hlines(
        places, [each["low"] for each in found], [each["high"] for each in found],
        color=colour, linewidth=1.6,
    )  # fmt: skip
    axes.plot(
        [each["estimate"] for each in found], places, "o", color=colour, markersize=4.5, label=label
    )
