"""An experiment over its days, as PNG bytes."""

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np

from mlplat_assets.experiment_spec import Experiment
from mlplat_assets.experiments.looks import Look, RatioLook

_COLOURS = ("#c8553d", "#28666e", "#7c9885", "#b5b682")
_INK = "#253237"


def experiment_plot(
    spec: Experiment,
    looks: Sequence[Look],
    ratios: Sequence[RatioLook],
    shares: Mapping[str, int],
    title: str,
) -> bytes:
    """Above, each arm's effect with its confidence sequence; below, its share of the units.

    The dashed line above is the effect worth finding, those below are the shares of the buckets.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 6), layout="constrained")
    FigureCanvasAgg(figure)
    effects, units = figure.subplots(2, sharex=True, height_ratios=(2, 1))
    colours = dict(zip((*spec.arms, spec.control), (*_COLOURS, *_COLOURS), strict=False))
    for arm in spec.arms:
        _sequence(effects, [x for x in looks if x.arm == arm and x.role == "primary"], colours[arm])
    worth = spec.effect if spec.primary.better == "higher" else -spec.effect
    effects.axhline(0, color=_INK, linewidth=0.8)
    effects.axhline(worth, color=_INK, linewidth=0.8, linestyle="--")
    effects.set_ylabel(f"{spec.primary.measure}, arm minus {spec.control}")
    effects.set_title(title, loc="left", fontsize=10)
    effects.legend(frameon=False, fontsize=8)
    days = [look.day for look in ratios]
    for arm in spec.arms:
        seen = [look.units[arm] / sum(look.units.values()) for look in ratios]
        units.plot(days, seen, color=colours[arm], linewidth=1.4)
        declared = shares[arm] / sum(shares.values())
        units.axhline(declared, color=colours[arm], linewidth=0.8, linestyle="--")
    units.set_ylabel("share of units")
    units.set_title(f"ratio: p = {ratios[-1].p_value:.2g}, always valid", loc="left", fontsize=9)
    figure.autofmt_xdate()
    image = BytesIO()
    figure.savefig(image, format="png", dpi=120, facecolor="white")
    return image.getvalue()


def _sequence(axes, looks: Sequence[Look], colour: str) -> None:  # noqa: ANN001  matplotlib's
    known = [look for look in looks if np.isfinite(look.effect.low)]
    days = [look.day for look in known]
    axes.plot(
        days, [x.effect.estimate for x in known], color=colour, linewidth=1.4, marker="o",
        markersize=3, label=looks[0].arm,
    )  # fmt: skip
    axes.fill_between(
        days,
        [look.effect.low for look in known],
        [look.effect.high for look in known],
        color=colour,
        alpha=0.2,
        linewidth=0,
    )
