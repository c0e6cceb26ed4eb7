"""A picture of performance: day by day what was estimated, and what labels said."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlplat_assets.assessment.estimation import ASSUMPTION
from mlplat_assets.drawing import COLOURS, QUIET, diagonal, dress, png
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.monitoring.performance.account import Account
from mlplat_assets.monitoring.performance.calibration import calibration
from mlplat_assets.monitoring.performance.measured import Measured

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def performance_plot(spec: ModelSpec, found: Sequence[Account], *, title: str) -> bytes:
    """A PNG of the primary metric by day, with 95% intervals, beside the newest calibration.

    With it, as a grey line, goes the one that the version had on validation rows. A regression has
    no calibration, and its picture one panel.
    """
    panels = 1 if spec.task == "regression" else 2

    def draw(figure: "Figure") -> None:
        if panels == 1:
            _days(figure.subplots(), spec, found)
            return
        days, reliability = figure.subplots(1, 2, width_ratios=(2.2, 1))
        _days(days, spec, found)
        _calibration(reliability, spec, found[-1])

    return png((11.0 if panels == 2 else 8.0, 3.8), title, draw)


def _days(axes: "Axes", spec: ModelSpec, found: Sequence[Account]) -> None:
    metric = spec.gates[0].metric
    estimated = [each.day for each in found if metric in each.day.estimated]
    realised = [each.day for each in found if metric in each.day.realised]
    if estimated:
        ends = [each.estimated[metric] for each in estimated]
        days = _dates(estimated)
        axes.fill_between(
            days, [e.low for e in ends], [e.high for e in ends], color=COLOURS[1], alpha=0.2,
            linewidth=0,
        )  # fmt: skip
        axes.plot(
            days, [e.estimate for e in ends], color=COLOURS[1], label=f"estimated ({ASSUMPTION})"
        )
    if realised:
        ends = [each.realised[metric] for each in realised]
        middle = [e.estimate for e in ends]
        reach = [[m - e.low for m, e in zip(middle, ends, strict=True)],
                 [e.high - m for m, e in zip(middle, ends, strict=True)]]  # fmt: skip
        axes.errorbar(
            _dates(realised), middle, reach, color=COLOURS[0], fmt="o", markersize=3.5,
            elinewidth=1, label="realised",
        )  # fmt: skip
    axes.set(title=f"{metric} by day of decision", ylabel=metric)
    axes.tick_params(axis="x", rotation=30)
    if estimated or realised:
        axes.legend()


def _calibration(axes: "Axes", spec: ModelSpec, account: Account) -> None:
    bins = list(calibration(account.series, spec))
    diagonal(axes)
    # Absent from the evidence of versions that were evaluated before profiles had one.
    if (own := account.evidence.get("calibration")) is not None:
        axes.plot(own["predicted"], own["observed"], color=QUIET, linewidth=1, label="validation")
    axes.errorbar(
        [each["predicted"] for each in bins],
        [each["observed"] for each in bins],
        [
            [max(0.0, each["observed"] - each["low"]) for each in bins],
            [max(0.0, each["high"] - each["observed"]) for each in bins],
        ],
        color=COLOURS[0],
        ecolor=QUIET,
        fmt="o-",
        markersize=3.5,
        elinewidth=1,
        label="served",
    )
    axes.legend(loc="upper left")
    span = account.series
    dress(axes, f"Calibration, {span.days} days to {span.day}", "predicted", "observed", 1.0)


def _dates(found: Sequence[Measured]) -> list:
    return [each.series.day for each in found]
