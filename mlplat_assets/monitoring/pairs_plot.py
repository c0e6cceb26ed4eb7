"""A picture of shadows against live answers, as PNG bytes."""

from io import BytesIO

import polars as pl

_SHOWN = 5000
_COLOURS = ("#c8553d", "#28666e", "#7c9885", "#b5b682")


def pairs_plot(rows: pl.DataFrame, title: str) -> bytes:
    """A PNG with a point for each pair, 5,000 of a version at most, and the line of equality."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    both = rows.drop_nulls(["shadow", "live"])
    for place, ((version,), part) in enumerate(
        sorted(both.partition_by("version", as_dict=True).items())
    ):
        some = part.head(_SHOWN)
        colour = _COLOURS[place % len(_COLOURS)]
        axes.scatter(
            some["live"].to_numpy(), some["shadow"].to_numpy(), s=5, alpha=0.4, color=colour,
            label=f"version {version}", linewidths=0,
        )  # fmt: skip
    axes.axline((0, 0), slope=1, color="#253237", linewidth=0.8)
    axes.set_xlabel("live prediction")
    axes.set_ylabel("shadow's prediction")
    axes.set_title(title, loc="left", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    image = BytesIO()
    figure.savefig(image, format="png", dpi=120, facecolor="white")
    return image.getvalue()
