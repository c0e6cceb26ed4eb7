"""How far two predictors' answers to the same rows are apart, whoever of them is right."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlplat_assets.statistics.intervals import Interval, Units, around, spread
from mlplat_assets.statistics.stability import bins_of, edges_of, index_of


@dataclass(frozen=True, kw_only=True)
class AnswersApart:
    """A candidate's answers beside the champion's, with 95% intervals.

    Attributes:
        shift: Of the mean answer, in standard deviations of the champion's; above 0 where the
            candidate answers higher.
        psi: Population stability index of the candidate's answers in ten bins of the champion's.
        champion_spread: Standard deviation of the champion's answers, in their own unit.
    """

    shift: Interval
    psi: Interval
    champion_spread: float

    def json(self) -> dict[str, object]:
        """As evidence records it."""
        return {
            "shift": self.shift.json(),
            "psi": self.psi.json(),
            "champion_spread": self.champion_spread,
        }


def answers_apart(
    candidate: NDArray, champion: NDArray, units: Units, *, seed: int
) -> AnswersApart | None:
    """Of predictions [n] or [n, K] of the same rows, measured as a rollout measures live ones.

    Intervals are from the standard error of a bootstrap over `units`, as those of metrics. None
    where nothing can be said: the champion says the same to every row, or there is one row.
    """
    ours, theirs = (_answers(given) for given in (candidate, champion))
    if units.count < 2 or not np.ptp(theirs):
        return None
    sums = _sums(ours, theirs, units)
    shift, psi = (float(each[0]) for each in _measured(np.ones((1, units.count)), sums))
    draws = [_measured(weights, sums) for weights in units.resamples(seed)]
    errors = [spread(np.concatenate(each), units.count) for each in zip(*draws, strict=True)]
    if not all(map(math.isfinite, errors)):
        return None
    return AnswersApart(
        shift=around(shift, errors[0], units.count, (-math.inf, math.inf)),
        psi=around(psi, errors[1], units.count, (0.0, math.inf)),
        champion_spread=float(theirs.std()),
    )


def _answers(predictions: NDArray) -> NDArray:
    """The number that is journalled of each row: of classes, the greatest probability."""
    given = np.asarray(predictions, np.float64)
    return given.max(axis=1) if given.ndim > 1 else given


def _sums(ours: NDArray, theirs: NDArray, units: Units) -> NDArray:
    """By unit: rows, differences, the champion's answers and their squares, then both's bins."""
    edges = edges_of(theirs)
    centred = theirs - theirs.mean()
    columns = [np.ones(len(ours)), ours - theirs, centred, centred**2]
    for answers in (theirs, ours):
        found = bins_of(answers, edges)
        columns += [(found == place).astype(np.float64) for place in range(len(edges) + 1)]
    return np.stack([units.sums(column) for column in columns], axis=1)


def _measured(weights: NDArray, sums: NDArray) -> tuple[NDArray, NDArray]:
    """Shift and PSI [b] of units weighed so [b, units]; NaN where the champion does not vary."""
    rows, apart, centred, squares, *_ = (weights @ sums).T
    expected, found = np.split((weights @ sums)[:, 4:], 2, axis=1)
    variance = squares / rows - (centred / rows) ** 2
    deviation = np.sqrt(np.where(variance > 0, variance, np.nan))
    return apart / rows / deviation, index_of(expected, found)
