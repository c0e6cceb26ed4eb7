"""Holdouts whose truth is known: rows, or days that move together."""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from mlplat_assets.statistics.intervals import Units, rows


class Holdout(NamedTuple):
    """Truth [n] of 0 and 1, the scores [n] of two predictors, and what chance drew."""

    truth: np.ndarray
    first: np.ndarray
    second: np.ndarray
    units: Units


def two_predictors(
    generator: np.random.Generator,
    *,
    size: int,
    gap: float = 0.0,
    days: int = 0,
    by_day: float = 0.0,
) -> Holdout:
    """Scores with AUC 0.75, the second's lower by `gap`, half of their noise in common.

    With `days`, the rate of positives and the first's level differ by day, `by_day` in units of
    the noise: rows of a day are then alike.
    """
    count = days or size
    codes = np.arange(size) % count
    day = generator.normal(size=count)[codes] * by_day
    truth = (generator.random(size) < norm.cdf(-0.7 + day)).astype(float)
    shared, own, other = generator.normal(size=(3, size))
    # Two normal populations at distance d have AUC Phi(d / sqrt 2).
    distance = [np.sqrt(2) * norm.ppf(0.75 - lost) for lost in (0.0, gap)]
    moved = generator.normal(size=count)[codes] * by_day
    first = truth * distance[0] + np.sqrt(0.5) * (shared + own) + moved
    second = truth * distance[1] + np.sqrt(0.5) * (shared + other)
    units = Units(codes=codes, count=days, kind="day") if days else rows(size)
    return Holdout(truth, first, second, units)
