"""Drift of all columns together: whether a classifier can tell a window's rows from training's."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from mlplat_assets.statistics.intervals import CONFIDENCE, Interval, rows
from mlplat_assets.statistics.ranking import auc_covariance

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 3
# 10,000 of each side: the interval of the AUC is then within 0.01, in a few CPU-seconds.
MOST_ROWS = 10_000
LEAST_ROWS = 200
SEED = 0


@dataclass(frozen=True, kw_only=True)
class Separation:
    """How well rows of a window can be told from rows of training, out of fold.

    Attributes:
        auc: 0.5 where nothing tells them apart, 1 where everything does, with its 95% interval.
        reference_rows: How many training rows were drawn.
        rows: How many of the window.
    """

    auc: Interval
    reference_rows: int
    rows: int

    @property
    def tells(self) -> bool:
        """Whether the whole interval is above chance."""
        return self.auc.low > 0.5


def separation(reference: pl.DataFrame, window: pl.DataFrame) -> Separation | None:
    """The cross-validated AUC of gradient boosting that is asked which side a row is from.

    It sees combinations that no single column shows. Columns that tell the calendar always
    differ from training, so it is evidence beside the verdict and no part of it.

    Args:
        reference: Training rows; the columns that both frames have are looked at.
        window: Served rows.

    Returns:
        None where either side has fewer than 200 rows.
    """
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold

    sides = [reference.head(MOST_ROWS), window.head(MOST_ROWS)]
    if min(map(len, sides)) < LEAST_ROWS:
        return None
    inputs = _encoded(sides)
    side = np.repeat([0, 1], [len(frame) for frame in sides])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    areas, variances = [], []
    for learn, judge in folds.split(inputs, side):
        model = HistGradientBoostingClassifier(max_iter=50, max_leaf_nodes=15, random_state=SEED)
        told = model.fit(inputs[learn], side[learn]).predict_proba(inputs[judge])[:, 1]
        area, covariance, _ = auc_covariance(side[judge], [told], rows(len(judge)))
        areas.append(area[0])
        variances.append(covariance[0, 0])
    error = float(np.sqrt(np.sum(variances))) / FOLDS
    return Separation(
        auc=_interval(float(np.mean(areas)), error),
        reference_rows=len(sides[0]),
        rows=len(sides[1]),
    )


def _interval(area: float, error: float) -> Interval:
    from scipy.special import ndtri

    half = float(ndtri((1 + CONFIDENCE) / 2)) * error
    return Interval(estimate=area, low=max(area - half, 0.0), high=min(area + half, 1.0))


def _encoded(sides: list[pl.DataFrame]) -> "NDArray":
    """Both sides' rows [n, columns] as finite numbers or NaN; texts are numbered by name."""
    import numpy as np

    names = [name for name in sides[0].columns if name in sides[1].columns]
    both = pl.concat([frame.select(names) for frame in sides], how="vertical_relaxed")
    columns = [column.rank("dense") if column.dtype == pl.String else column for column in both]
    found = np.column_stack(
        [one.cast(pl.Float64).fill_null(float("nan")).to_numpy() for one in columns]
    )
    return np.clip(found, -1e300, 1e300)
