"""The chi-square test that two samples of categories come from one distribution."""

import numpy as np
import numpy.typing as npt

# Below this expected count the chi-square approximation is off (Cochran 1954).
LEAST_EXPECTED = 5


def homogeneity_p(reference: npt.ArrayLike, current: npt.ArrayLike) -> float:
    """The chance of so great a difference between counts [bins] of one distribution.

    Both sides are samples, so both have error: Pearson's statistic of the 2 x bins table. Bins
    that expect fewer than 5 in either sample are put together, the rarest first; 1 where fewer
    than two are left, or a side is empty.
    """
    from scipy.special import chdtrc

    table = np.array([reference, current], np.float64)
    sides = table.sum(axis=1)
    if not sides.all():
        return 1.0
    table = _merged(table, LEAST_EXPECTED * sides.sum() / sides.min())
    if table.shape[1] < 2:
        return 1.0
    expected = np.outer(sides, table.sum(axis=0)) / sides.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return float(chdtrc(table.shape[1] - 1, statistic))


def _merged(table: npt.NDArray[np.float64], least: float) -> npt.NDArray[np.float64]:
    """Columns of at least so many counts; those that are rarer become one, with more if needed."""
    table = table[:, table.sum(axis=0) > 0]
    table = table[:, np.argsort(table.sum(axis=0), kind="stable")]
    filled = np.cumsum(table.sum(axis=0))
    rare = int((table.sum(axis=0) < least).sum())
    if not rare:
        return table
    together = max(rare, int(np.searchsorted(filled, least)) + 1)
    return np.column_stack([table[:, :together].sum(axis=1), table[:, together:]])
