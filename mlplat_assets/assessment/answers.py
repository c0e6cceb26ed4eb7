"""How far two predictors' answers to the same rows are apart, whoever of them is right.

A rollout sees an hour or a few hundred units before it decides, and two models that differ by 0.6
standard deviations over a week may differ by 1.7 on the evening of a storm and by -0.4 at night
(the flights of July 2013, by models of January and June); PSI of 200 rows is 1.1 in the median
where that of the week is 0.2. So what is measured are stretches of that length, and where 95% of
them lie.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlplat_assets.statistics.intervals import CONFIDENCE, Interval
from mlplat_assets.statistics.stability import FEWEST, bins_of, edges_of, index_of

# As long as the least time of a step, and of as many rows as the first look at PSI is taken of.
STRETCH = np.timedelta64(1, "h")

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class AnswersApart:
    """A candidate's answers beside the champion's: the median stretch, and 95% of them.

    Attributes:
        shift: Of the mean answer, in standard deviations of the champion's; above 0 where the
            candidate answers higher.
        psi: Population stability index of the candidate's answers in ten bins of the champion's.
        champion_spread: Standard deviation of all of the champion's answers, in their own unit.
        stretches: How many there were.
    """

    shift: Interval
    psi: Interval
    champion_spread: float
    stretches: int

    def json(self) -> dict[str, object]:
        """As evidence records it."""
        return {
            "shift": self.shift.json(),
            "psi": self.psi.json(),
            "champion_spread": self.champion_spread,
            "stretches": self.stretches,
        }


def answers_apart(
    candidate: Floats, champion: Floats, times: npt.NDArray[np.datetime64]
) -> AnswersApart | None:
    """Of predictions [n] or [n, K] of the same rows, measured as a rollout measures live ones.

    Args:
        candidate: Its answers, in any order.
        champion: Those to the same rows.
        times: When each row's event was [n].

    None where the champion says the same to every row, so that there is no measure.
    """
    order = np.argsort(times, kind="stable")
    ours, theirs = (
        journalled(np.asarray(given, np.float64))[order] for given in (candidate, champion)
    )
    if not np.ptp(theirs):
        return None
    spread = float(theirs.std())
    parts = list(_stretches(times[order]))
    return AnswersApart(
        shift=_middle([float((ours[part] - theirs[part]).mean()) / spread for part in parts]),
        psi=_middle([_psi(ours[part], theirs[part]) for part in parts]),
        champion_spread=spread,
        stretches=len(parts),
    )


def journalled(predictions: Floats) -> Floats:
    """One number a row [n], as the journal holds it: of classes [n, K], the most probable one's."""
    return predictions.max(axis=1) if predictions.ndim > 1 else predictions


def _stretches(times: npt.NDArray[np.datetime64]) -> Iterator[slice]:
    """Rows in the order of time, an hour and `FEWEST` at least; all of them where there are fewer.

    A rest that is shorter is left out.
    """
    start = 0
    while start < len(times):
        later = int(np.searchsorted(times, times[start] + STRETCH))
        end = max(start + FEWEST, later)
        if end <= len(times) or start == 0:
            yield slice(start, end)
        start = end


def _psi(ours: Floats, theirs: Floats) -> float:
    edges = edges_of(theirs)
    expected, found = (
        np.bincount(bins_of(answers, edges), minlength=len(edges) + 1) for answers in (theirs, ours)
    )
    return float(index_of(expected, found))


def _middle(values: list[float]) -> Interval:
    tail = (1 - CONFIDENCE) / 2
    low, middle, high = (float(each) for each in np.quantile(values, [tail, 0.5, 1 - tail]))
    return Interval(estimate=middle, low=low, high=high)
