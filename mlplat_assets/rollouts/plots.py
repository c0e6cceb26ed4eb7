"""Pictures of rollouts, as PNG bytes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO

import numpy as np

from resources.registry.rollout_record import RolloutRecord, RolloutState

_INK, _LINE, _BACK = "#253237", "#28666e", "#c8553d"
_TAKEN_BACK = (RolloutState.ROLLED_BACK, RolloutState.ABORTED, RolloutState.REPLACED)


def split_plot(record: RolloutRecord, now: datetime, title: str) -> bytes:
    """A PNG of the version's share over time, in percent and UTC, to its end or until now."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    is_back = record.state in _TAKEN_BACK
    colour = _BACK if is_back else _LINE
    moments, shares = _corners(record, now, is_back)
    times = np.array([moment.astimezone(UTC).replace(tzinfo=None) for moment in moments])
    axes.step(times, shares, where="post", color=colour, linewidth=1.8)
    axes.fill_between(times, shares, step="post", color=colour, alpha=0.15, linewidth=0)
    for leg, at in zip(record.legs, times, strict=False):
        told = "shadow" if leg.share == 0 else f"{leg.share:g}%"
        axes.annotate(
            told, (at, leg.share), xytext=(3, 4), textcoords="offset points", fontsize=8,
            color=_INK,
        )  # fmt: skip
    axes.set_ylim(-3, 108)
    axes.set_ylabel("units answered, %", fontsize=9)
    axes.set_title(title, loc="left", fontsize=10, color=_INK)
    axes.tick_params(labelsize=8)
    figure.autofmt_xdate(rotation=0, ha="center")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    image = BytesIO()
    figure.savefig(image, format="png", dpi=120, facecolor="white")
    return image.getvalue()


def _corners(
    record: RolloutRecord, now: datetime, is_back: bool
) -> tuple[Sequence[datetime], Sequence[float]]:
    times = [leg.since for leg in record.legs]
    shares = [leg.share for leg in record.legs]
    end = record.leg.until
    if is_back and end is not None:
        return [*times, end, max(now, end)], [*shares, 0.0, 0.0]
    return [*times, now], [*shares, shares[-1]]
