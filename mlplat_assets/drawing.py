"""How every picture of a model looks: one style, one palette, PNG bytes that repeat exactly."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType
    from numpy.typing import NDArray

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


def png(size: tuple[float, float], title: str, draw: "Callable[[Figure], None]") -> bytes:
    """One PNG of a size in inches, 110 dots each, of what `draw` puts on the figure."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Figure and canvas made by hand: pyplot would keep a global registry of figures.
    with rc_context(STYLE):
        figure = Figure(figsize=size, dpi=110, layout="constrained")
        FigureCanvasAgg(figure)
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)  # pyright: ignore
        draw(figure)
        figure.suptitle(title, x=0.012, ha="left", fontsize=12, fontweight="bold", color=INK)
        stream = io.BytesIO()
        # No software version in the file: the same rows give the same bytes.
        figure.savefig(stream, format="png", metadata={"Software": None}, facecolor="white")
    return stream.getvalue()


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
