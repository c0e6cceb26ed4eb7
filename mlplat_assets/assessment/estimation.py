"""How good predictions will turn out to be, from their probabilities alone, before any label.

Confidence-based performance estimation (CBPE, as NannyML defines it): if a row with probability p
is positive with chance p, the expected metric follows. It assumes calibrated probabilities and no
concept drift: it moves with the inputs, and never with what the inputs mean.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlplat_assets.model_spec import Task
from mlplat_assets.statistics.intervals import Interval, Units, around

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What can be estimated. Probabilities say nothing of a regression's errors, and a calibration error
# is 0 by assumption.
ESTIMATED: Mapping[Task, tuple[str, ...]] = {
    "binary": ("auc", "accuracy", "log_loss", "brier"),
    "multiclass": ("accuracy", "log_loss"),
    "regression": (),
}
ASSUMPTION = "assumes no concept drift"
# Of float32 sums of probabilities.
_ROUNDING = 1e-3


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A metric as its rows' probabilities promise it.

    `probability` [n, K] is of each class, and `moves` [n, K] how much the metric moves if that
    class turns out to be true: a mean of rows exactly, an AUC to first order.
    """

    value: float
    probability: "NDArray"
    moves: "NDArray"

    def interval(self) -> Interval:
        """Where the metric of these rows will lie with 95% chance, labels being drawn by p."""
        return around(self.value, self.error(), len(self.moves), (-float("inf"), float("inf")))

    def error(self) -> float:
        """The standard deviation that the chance of the labels gives the metric."""
        expected = self.expected()
        variance = (self.probability * self.moves**2).sum(axis=1) - expected**2
        return float(max(variance.sum(), 0.0) ** 0.5)

    def expected(self) -> "NDArray":
        """What each row is expected to move [n]."""
        return (self.probability * self.moves).sum(axis=1)

    def surprise(self, truth: "NDArray") -> "NDArray":
        """How much more each row moved the metric than was expected [n]; nothing on average."""
        import numpy as np

        index = truth.astype(np.int64)[:, None]
        return np.take_along_axis(self.moves, index, axis=1)[:, 0] - self.expected()


def estimate(task: Task, predictions: "NDArray") -> dict[str, Estimate]:
    """The metrics of `ESTIMATED[task]` that rows with these probabilities can expect.

    `predictions` are the probability of 1 [n], or of each class [n, K]. No AUC where every row
    is surely of one class.

    Raises:
        ValueError: There are no rows, or a value is no probability.
    """
    import numpy as np

    if not ESTIMATED[task]:
        return {}
    given = np.asarray(predictions, np.float64)
    both = given if given.ndim > 1 else np.stack([1 - given, given], axis=1)
    total = both.sum(axis=1)
    wrong = ~((both >= 0) & (both <= 1)).all(axis=1) | (abs(total - 1) > _ROUNDING)
    if not len(both) or wrong.any():
        raise ValueError(
            f"{int(wrong.sum())} of {len(both)} predictions are no probabilities; an estimate "
            "needs at least one row, each from 0 to 1 and all classes adding up to 1"
        )
    makers = {"binary": _binary, "multiclass": _classes}
    return makers[task](both / total[:, None])


def gap(realised: float, promised: Estimate, truth: "NDArray", units: Units) -> Interval:
    """Realised minus estimated on the same rows, with its 95% interval.

    The error is the chance of the rows' labels, or the spread that days showed where that is more:
    rows of one day may be wrong together, and a few days may by chance be alike.
    """
    import numpy as np

    error = promised.error()
    if units.kind == "day":
        by_day = units.sums(promised.surprise(truth))
        spread = ((by_day - by_day.mean()) ** 2).sum()
        error = max(error, float(np.sqrt(spread * units.count / max(1, units.count - 1))))
    bound = float("inf")
    return around(realised - promised.value, error, units.count, (-bound, bound))


def _binary(both: "NDArray") -> dict[str, Estimate]:
    import numpy as np

    one = both[:, 1]
    by_row = {
        "accuracy": np.stack([one < 0.5, one >= 0.5], axis=1),
        "log_loss": _losses(both),
        "brier": np.stack([one**2, (1 - one) ** 2], axis=1),
    }
    found = {name: _mean(both, values) for name, values in by_row.items()}
    area = _area(both)
    return found if area is None else {"auc": area, **found}


def _classes(probability: "NDArray") -> dict[str, Estimate]:
    import numpy as np

    decided = np.eye(probability.shape[1])[probability.argmax(axis=1)]
    return {
        "accuracy": _mean(probability, decided),
        "log_loss": _mean(probability, _losses(probability)),
    }


def _losses(probability: "NDArray") -> "NDArray":
    import numpy as np

    return -np.log(np.maximum(probability, np.finfo(np.float64).eps))


def _mean(probability: "NDArray", values: "NDArray") -> Estimate:
    """Of a metric that is the mean of rows' values, [n, K] by what the class turns out to be."""
    moves = values / len(values)
    return Estimate(value=float((probability * moves).sum()), probability=probability, moves=moves)


def _area(both: "NDArray") -> Estimate | None:
    """Expected pairs in order over expected pairs, a row never being a pair with itself."""
    import numpy as np

    negative, positive = both.T
    _, run = np.unique(positive, return_inverse=True)
    ones, zeros = np.bincount(run, positive), np.bincount(run, negative)
    below = (np.cumsum(zeros) - zeros)[run] + (zeros[run] - negative) / 2
    above = (ones.sum() - np.cumsum(ones))[run] + (ones[run] - positive) / 2
    pairs = ones.sum() * zeros.sum() - (positive * negative).sum()
    if pairs <= 0:
        return None
    value = float((positive * below).sum() / pairs)
    more_pairs = (zeros.sum() - negative) - (ones.sum() - positive)
    moves = np.zeros_like(both)
    moves[:, 1] = (below - above - value * more_pairs) / pairs
    return Estimate(value=value, probability=both, moves=moves)
