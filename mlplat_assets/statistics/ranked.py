"""Rows sorted once by score, and metrics of their ranks under many weightings."""

from typing import TYPE_CHECKING

from mlplat_assets.metrics import CALIBRATION_BINS
from mlplat_assets.statistics.intervals import Units

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Ranked:
    """Rows in ascending order of score, and what accumulates along them under each weighting."""

    def __init__(self, truth: "NDArray", score: "NDArray", units: Units) -> None:
        """Sort once; `truth` is 0/1."""
        import numpy as np

        order = np.argsort(score, kind="stable")
        self._score = score[order]
        self._positive = truth[order].astype(np.float64)
        self._units = units.codes[order]
        changes = np.flatnonzero(np.diff(self._score)) + 1
        # Where each run of equal scores starts, and the end of the last.
        self._edges = np.concatenate(([0], changes, [len(order)]))
        # The edge that a row's run starts at.
        self._start = np.repeat(np.arange(len(self._edges) - 1), np.diff(self._edges))

    def accumulate(self, weights: "NDArray") -> None:
        """Weights of all rows, and of positive ones, below each edge [b, edges]."""
        self._weights = weights[:, self._units]
        self._mass = self._below(self._weights)
        self._hits = self._below(self._weights * self._positive)

    def auc(self) -> "NDArray":
        """Share of pairs in order, ties half; NaN where a class has no weight."""
        import numpy as np

        hits, misses = np.diff(self._hits), np.diff(self._mass - self._hits)
        below = (self._mass - self._hits)[:, :-1]
        pairs = hits.sum(axis=1) * misses.sum(axis=1)
        found = np.full(len(hits), np.nan)
        ordered = (hits * (below + misses / 2)).sum(axis=1)
        return np.divide(ordered, pairs, out=found, where=pairs > 0)

    def average_precision(self) -> "NDArray":
        """Precision at each threshold, weighted by the recall that it adds."""
        import numpy as np

        hits, total = np.diff(self._hits), self._hits[:, -1]
        above = self._mass[:, -1:] - self._mass[:, :-1]
        precision = np.zeros_like(hits)
        np.divide(total[:, None] - self._hits[:, :-1], above, out=precision, where=above > 0)
        found = np.full(len(hits), np.nan)
        return np.divide((hits * precision).sum(axis=1), total, out=found, where=total > 0)

    def ece(self) -> "NDArray":
        """Calibration error over bins of equal weight, cut where `metrics.reliability` cuts."""
        import numpy as np

        promised = self._below(self._weights * self._score)
        total = self._mass[:, -1]
        gaps = np.zeros((len(total), CALIBRATION_BINS))
        along = np.cumsum(self._weights, axis=1)
        for place, size in enumerate(total):
            bins = min(CALIBRATION_BINS, int(size))
            wanted = np.linspace(0, size, bins + 1)[1:-1].round()
            cuts = self._start[np.searchsorted(along[place], wanted, side="right")]
            cuts = np.concatenate(([0], cuts, [len(self._edges) - 1]))
            gaps[place, :bins] = np.diff(promised[place, cuts] - self._hits[place, cuts])
        return abs(gaps).sum(axis=1) / total

    def _below(self, values: "NDArray") -> "NDArray":
        import numpy as np

        start = np.zeros((len(values), 1))
        return np.concatenate((start, np.cumsum(values, axis=1)), axis=1)[:, self._edges]
