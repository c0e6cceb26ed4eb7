"""The rows of the statistical bar about drift: false alarms, and shifts that outliers hide."""

from collections.abc import Callable
from datetime import date
from typing import Any

import duckdb
import numpy as np
import polars as pl

from mlplat_assets.monitoring.drift.counting import sketches, table_cells
from mlplat_assets.monitoring.drift.profile import PREDICTION, Profile, reference_profile
from mlplat_assets.monitoring.drift.verdict import DriftReport, compare, profiled_columns
from mlplat_assets.statistics.homogeneity import homogeneity_p

# One drifted column is enough: stricter than the default of two.
POLICY = {"psi_floor": 0.2, "columns": 1, "minimum_rows": 200}
# So many references are drawn for each case, and the windows shared among them.
REFERENCES = 4

Draw = Callable[[np.random.Generator, int], pl.DataFrame]


def rows() -> list[dict[str, Any]]:
    """Each claim with its bar, what was measured, and whether it holds."""
    return [*undrifted(), many_features(), *categories(), *outlier()]


def undrifted(windows: int = 400) -> list[dict[str, Any]]:
    """Windows of 4 numeric columns and a categorical one, drawn as their reference was."""
    found = []
    for seed, (rows, reference) in enumerate(
        (rows, reference) for rows in (100, 500, 5_000) for reference in (1_000, 1_001, 20_000)
    ):
        reports = drawn(mixed(4, 1), rows, reference, windows, seed)
        told = {report.verdict for report in reports}
        alarms = share(reports)
        found.append(
            {
                "claim": f"False alarms, {rows} undrifted rows, reference {reference}",
                "bar": "INCONCLUSIVE" if rows < 200 else "at most 6% of windows",
                "measured": f"{alarms:.2%}" if rows >= 200 else ", ".join(sorted(told)),
                "holds": told == {"INCONCLUSIVE"} if rows < 200 else alarms <= 0.06,
            }
        )
    return found


def many_features(windows: int = 400) -> dict[str, Any]:
    """Windows of 30 undrifted columns."""
    alarms = share(drawn(mixed(24, 6), 1_000, 20_000, windows, seed=30))
    return {
        "claim": "False alarms with 30 undrifted features, 1,000 rows, reference 20,000",
        "bar": "at most 5% of windows",
        "measured": f"{alarms:.2%}",
        "holds": alarms <= 0.05,
    }


def categories(draws: int = 4_000) -> list[dict[str, Any]]:
    """The chi-square test of homogeneity of two samples of 500, at nominal 5%."""
    random = np.random.default_rng(5)
    found = []
    for name, weights in (
        ("10 equal categories", np.ones(10)),
        ("30 categories, most of them rare", 1 / np.arange(1, 31) ** 1.5),
    ):
        shares = weights / weights.sum()
        sides = random.multinomial(500, shares, (draws, 2))
        false = float(np.mean([homogeneity_p(*pair) < 0.05 for pair in sides]))
        found.append(
            {
                "claim": f"False positives of chi-square at 5%, 500 and 500 rows, {name}",
                "bar": "3% to 6%",
                "measured": f"{false:.2%}",
                "holds": 0.03 <= false <= 0.06,
            }
        )
    return found


def outlier(windows: int = 20) -> list[dict[str, Any]]:
    """One value of 10,000 among 20,000, with a shift of half a deviation and without."""
    found = []
    for shift, wanted in ((0.5, "DRIFT"), (0.0, "OK")):
        random = np.random.default_rng(int(shift * 10))
        profile = profiled(mixed(1, 0)(random, 20_000))
        window = mixed(1, 0)(random, 20_000 * windows) + shift
        spoilt = pl.when(pl.int_range(pl.len()) % 20_000 == 0).then(1e4).otherwise("n0")
        reports = compared(profile, window.with_columns(n0=spoilt), 20_000)
        right = sum(report.verdict == wanted for report in reports)
        what = (
            "A shift of 0.5 SD with one value of 10,000" if shift else "The value of 10,000 alone"
        )
        found.append(
            {
                "claim": f"{what} in 20,000 rows",
                "bar": "flagged" if shift else "not flagged",
                "measured": f"{wanted} in {right} of {windows} windows",
                "holds": right == windows,
            }
        )
    return found


def mixed(numeric: int, categorical: int) -> Draw:
    """Draws of so many normal columns and columns of 20 categories."""
    names = np.array([f"v{number:02}" for number in range(20)])

    def draw(random: np.random.Generator, rows: int) -> pl.DataFrame:
        numbers = {f"n{i}": random.normal(size=rows) for i in range(numeric)}
        texts = {f"c{i}": names[random.integers(0, 20, rows)] for i in range(categorical)}
        return pl.DataFrame(numbers | texts)

    return draw


def drawn(draw: Draw, rows: int, reference: int, windows: int, seed: int) -> list[DriftReport]:
    """Reports on undrifted windows, shared among four references."""
    random = np.random.default_rng(seed)
    each = windows // REFERENCES
    return [
        report
        for _ in range(REFERENCES)
        for report in compared(profiled(draw(random, reference)), draw(random, rows * each), rows)
    ]


def profiled(rows: pl.DataFrame) -> Profile:
    """The profile of rows of one day, so that no day's own threshold helps."""
    day = pl.repeat(date(2013, 1, 1), len(rows), eager=True)
    found = reference_profile(rows, day, np.zeros(len(rows)), quantile=1.0)
    for column in found["columns"].values():
        column["threshold"] = 0.0
    return found


def compared(profile: Profile, frame: pl.DataFrame, rows: int) -> list[DriftReport]:
    """A report on each window of so many consecutive rows."""
    number = pl.int_range(pl.len()) // rows
    marked = frame.with_columns(number.alias("window"), pl.lit(0.0).alias(PREDICTION))
    with duckdb.connect() as connection:  # noqa: TID251  rows in memory, not a lake
        connection.register("drawn", marked.to_arrow())
        cells = table_cells(connection, "drawn")
        found = sketches(connection, "drawn", profiled_columns(profile), cells, by=['"window"'])
    return [compare(sketch, profile, POLICY) for sketch in found.values()]


def share(reports: list[DriftReport]) -> float:
    """How many windows were called WARNING or DRIFT."""
    return sum(report.verdict in ("WARNING", "DRIFT") for report in reports) / len(reports)
