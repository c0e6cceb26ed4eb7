"""The picture of a year: late flights, what drifted, how good the model was, what changed."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bench.replayed_year.account import HOLIDAYS
from mlplat_assets.drawing import COLOURS, INK, QUIET, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# So many of the worst days are named on the picture, none so near to a worse one.
NAMED_DAYS, NEAR_DAYS = 8, 9
SHOWN_COLUMNS = 14
# A column's colour is darkest from so many times its threshold.
DARKEST = 4.0
_BLUE, _RED, _GREEN, _ = COLOURS
_OUTCOMES = {
    "promoted": ("retrained, promoted", "^", _GREEN),
    "refused": ("retrained, refused", "X", _RED),
    "skipped": ("not retrained", "o", QUIET),
}

Found = Mapping[str, Any]


def timeline(found: Found) -> bytes:
    """A PNG of a year as `bench.replayed_year` records it, days from left to right."""
    first, last = _day(found["first"]), _day(found["last"])

    def draw(figure: "Figure") -> None:
        rows = figure.subplots(4, 1, sharex=True, height_ratios=(1.0, 2.6, 1.3, 0.9))
        _late(rows[0], found)
        _columns(rows[1], found)
        _quality(rows[2], found)
        _decisions(rows[3], found["events"])
        rows[3].set_xlim(first, last + 1)
        _months(rows[3])

    return png((11.5, 8.6), "flights.arrival_delay, April to December 2013, replayed", draw)


def reigns(found: Found) -> list[tuple[int, int, int]]:
    """From which day to which (exclusive) each version was in production, and the version."""
    promoted = [event for event in found["events"] if event["outcome"] == "promoted"]
    changes = [(_day(event["day"]) + 1, event["version"]) for event in promoted]
    ends = (_day(found["last"]) + 1, 0)
    spans = pairwise([(_day(found["first"]), 1), *changes, ends])
    return [(start, end, version) for (start, version), (end, _) in spans if start < end]


def _day(text: str) -> int:
    """Days since 1970-01-01, as matplotlib counts."""
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def _note(axes: "Axes", text: str, x: float, y: float, colour: str, *, above: bool = False) -> None:
    """Small words right of a point; `above` counts y as a share of the axes."""
    note = axes.annotate(
        text,
        (x, y),
        xycoords=("data", "axes fraction") if above else "data",
        xytext=(3, -8 if above else -3),
        textcoords="offset points",
        fontsize=7,
        color=colour,
        annotation_clip=False,
    )
    note.set_in_layout(False)


def _late(axes: "Axes", found: Found) -> None:
    flights = found["flights"]
    days = [_day(row["day"]) for row in flights]
    shares = [row["late"] for row in flights]
    axes.bar(days, shares, width=1.0, align="edge", color="#9db4c0")
    for row in _worst(flights):
        told = f"{date.fromisoformat(row['day']):%-d %b}"
        _note(axes, told, _day(row["day"]), row["late"], INK)
    for day, name in HOLIDAYS.items():
        if found["first"] <= day.isoformat() <= found["last"]:
            at = _day(day.isoformat())
            axes.axvline(at, color=_BLUE, linewidth=0.8, linestyle=(0, (3, 3)))
            _note(axes, name, at, 1.0, _BLUE, above=True)
    axes.set(title="Share of flights more than 15 minutes late", ylim=(0, 1))
    axes.grid(axis="x", visible=False)


def _worst(flights: Sequence[Found]) -> list[Found]:
    """The days with the most late flights, far enough apart for their names."""
    found: list[Found] = []
    for row in sorted(flights, key=lambda one: -one["late"]):
        if all(abs(_day(row["day"]) - _day(one["day"])) > NEAR_DAYS for one in found):
            found.append(row)
    return found[:NAMED_DAYS]


def _columns(axes: "Axes", found: Found) -> None:
    """A row for each column that drifted, the most often first; above them the days that did."""
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap

    named = Counter(row["column"] for row in found["drifted"])
    shown = [name for name, _ in named.most_common(SHOWN_COLUMNS)]
    first, last = _day(found["first"]), _day(found["last"])
    excess = np.full((len(shown) + 1, last - first + 1), np.nan)
    for row in found["days"]:
        if row["verdict"] == "DRIFT":
            excess[0, _day(row["day"]) - first] = DARKEST
    for row in found["drifted"]:
        if row["column"] in shown:
            ratio = row["psi"] / max(row["threshold"], 1e-9)
            place = 1 + shown.index(row["column"]), _day(row["day"]) - first
            excess[place] = min(ratio, DARKEST)
    colours = LinearSegmentedColormap.from_list("excess", ["#f6cbb0", _RED, "#7f2f00"])
    edges = np.arange(first, last + 2), np.arange(len(shown) + 2) - 0.5
    axes.pcolormesh(*edges, excess, cmap=colours, vmin=1, vmax=DARKEST)
    more = f", {len(named) - len(shown)} more not shown" if len(named) > len(shown) else ""
    axes.set_yticks(range(len(shown) + 1), ["the day: DRIFT", *shown])
    axes.tick_params(axis="y", length=0, labelsize=7.5)
    axes.set_ylim(len(shown) + 0.5, -0.5)
    axes.axhline(0.5, color=QUIET, linewidth=0.8)
    axes.set_title(f"Drifted columns: PSI over its threshold, darkest from {DARKEST:g} times{more}")


def _quality(axes: "Axes", found: Found) -> None:
    """AUC by week of decisions, one colour for each version in production."""
    first = _day(found["first"])
    weeks: dict[tuple[int, int], list[Found]] = defaultdict(list)
    for row in found["performance"]:
        if row["auc"] is not None:
            weeks[row["version"], (_day(row["day"]) - first) // 7].append(row)
    lines: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for (version, week), rows in sorted(weeks.items()):
        mean = sum(row["auc"] * row["rows"] for row in rows) / sum(row["rows"] for row in rows)
        lines[version].append((first + 7 * week + 3, mean))
    points = sorted(point for each in lines.values() for point in each)
    axes.plot(*zip(*points, strict=True), color=QUIET, linewidth=0.8)
    for version, each in lines.items():
        axes.plot(*zip(*each, strict=True), "o", color=_colour(version), markersize=4)
    low, high = min(value for _, value in points), max(value for _, value in points)
    axes.set_ylim(low - 0.5 * max(high - low, 0.02), high + 0.1 * max(high - low, 0.02))
    for start, end, version in reigns(found):
        axes.axvspan(start, end, ymax=0.06, color=_colour(version), alpha=0.8)
        _note(axes, f"v{version}", start, 0.2, INK, above=True)
    axes.set_title("AUC by week, once labels had come; below, the version in production")


def _colour(version: int) -> str:
    return COLOURS[version % len(COLOURS)]


def _decisions(axes: "Axes", events: Sequence[Found]) -> None:
    """A row for each outcome, a mark for each request."""
    rows = {outcome: place for place, outcome in enumerate(_OUTCOMES)}
    for event in events:
        day, row = _day(event["day"]) + 1, rows[event["outcome"]]
        _, mark, colour = _OUTCOMES[event["outcome"]]
        axes.plot([day], [row], mark, color=colour, markersize=6)
    axes.set_yticks(range(len(rows)), [told for told, _, _ in _OUTCOMES.values()])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.5, -0.6)
    axes.set_title("What the governor and the gates made of it, at the end of each week")


def _months(axes: "Axes") -> None:
    from matplotlib.dates import DateFormatter, MonthLocator

    axes.xaxis.set_major_locator(MonthLocator())
    axes.xaxis.set_major_formatter(DateFormatter("%b"))
