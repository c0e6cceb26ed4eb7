"""What an experiment's units come to, arm by arm and day by day: records that add up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from mlplat_assets.statistics.covariates import PairedMoments
from mlplat_assets.statistics.moments import Moments


@dataclass(frozen=True, kw_only=True)
class ArmDay:
    """The units of one arm that were first seen on one UTC day.

    Attributes:
        held_back: Whether these are of the holdout, a part of the control.
        units: All of them, labelled or not.
        crossed: Those that another variant than the arm's answered at least once.
        metrics: By measure, of units whose value is known.
        primary: The primary metric with its covariate; without one, x is 0.
    """

    arm: str
    held_back: bool
    day: date
    units: int
    crossed: int
    metrics: Mapping[str, Moments]
    primary: PairedMoments


def arm_day(row: Mapping[str, Any], measures: Sequence[str]) -> ArmDay:
    """Of one row of `unit_query.sums_by_day`, the measures in the order of its columns."""
    metrics = {
        measure: _moments(row[f"m{n}_n"], row[f"m{n}_mean"], row[f"m{n}_var"])
        for n, measure in enumerate(measures)
    }
    y = metrics[measures[0]]
    x = _moments(y.n, row["x_mean"], row["x_var"])
    return ArmDay(
        arm=row["arm"],
        held_back=row["held_back"],
        day=row["day"],
        units=row["units"],
        crossed=row["crossed"],
        metrics=metrics,
        primary=PairedMoments(y=y, x=x, products=row["x_m0"] * y.n),
    )


def _moments(n: int, mean: float, variance: float) -> Moments:
    return Moments(n=n, mean=mean, squares=variance * n)
