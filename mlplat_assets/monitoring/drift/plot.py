"""Pictures of drift, as PNG bytes, for asset metadata and reports."""

from io import BytesIO
from typing import TYPE_CHECKING

from mlplat_assets.monitoring.drift.verdict import ColumnDrift, DriftReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN_COLUMNS = 30
_DRIFTED, _STABLE, _INK, _QUIET = "#c8553d", "#9db4c0", "#253237", "#6b7a80"


def psi_plot(report: DriftReport, title: str) -> bytes:
    """A PNG with one bar per column, its PSI, and a mark at the threshold it is held against.

    The columns nearest to or furthest beyond their thresholds come first, 30 at most. Bars beyond
    three times the greatest threshold are cut there and carry their value.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    ranked = sorted(report.columns, key=_excess, reverse=True)
    shown = ranked[:SHOWN_COLUMNS]
    margins = ConstrainedLayoutEngine(w_pad=0.16, h_pad=0.14)  # inches
    figure = Figure(figsize=(8, 1.5 + 0.27 * max(len(shown), 2)), layout=margins)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _bars(axes, shown)
    _labels(axes, report, title, len(ranked) - len(shown))
    image = BytesIO()
    figure.savefig(image, format="png", dpi=150, facecolor="white")
    return image.getvalue()


def _excess(column: ColumnDrift) -> float:
    return column.psi / max(column.threshold, 1e-9)


def _bars(axes: "Axes", columns: list[ColumnDrift]) -> None:
    highest = max((column.threshold for column in columns), default=0.25)
    limit = min(max([highest, *(column.psi for column in columns)]), 3 * highest)
    for row, column in enumerate(columns):
        length = min(column.psi, limit)
        colour = _DRIFTED if column.drifted else _STABLE
        axes.barh(row, length, height=0.66, color=colour)
        axes.vlines(column.threshold, row - 0.42, row + 0.42, color=_INK, linewidth=1.6)
        cut = " →" if column.psi > limit else ""
        # The value stands right of its bar, or of a threshold mark that it would run into.
        crossed = length < column.threshold < length + limit * 0.08
        beside = column.threshold if crossed else length
        axes.text(
            beside + limit * 0.012,
            row,
            f"{column.psi:.2f}{cut}",
            va="center",
            fontsize=8,
            color=_INK if column.drifted else _QUIET,
        )
    axes.set_xlim(0, limit * 1.09)
    axes.set_ylim(len(columns) - 0.4, -0.6)
    axes.set_yticks(range(len(columns)), [column.name for column in columns])


def _labels(axes: "Axes", report: DriftReport, title: str, hidden: int) -> None:
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=_INK, pad=19)
    count = f"{len(report.drifted)} of {len(report.columns)} columns drifted"
    facts = f"{report.verdict} · {report.rows:,} rows · {count}"
    axes.text(0, 1.0, facts, transform=axes.transAxes, fontsize=9, color=_QUIET, va="bottom")
    if not report.columns:
        axes.set_axis_off()
        axes.text(0, 0.5, "No rows in this window.", transform=axes.transAxes, color=_INK)
        return
    more = f" · {hidden} columns further below their thresholds not shown" if hidden else ""
    axes.set_xlabel(f"PSI against training · upright mark: threshold{more}", fontsize=8.5)
    axes.xaxis.label.set_color(_QUIET)
    axes.tick_params(axis="both", length=0, labelsize=9, colors=_INK)
    axes.tick_params(axis="x", labelsize=8, colors=_QUIET)
    axes.grid(axis="x", color="#e6eaec", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(False)
