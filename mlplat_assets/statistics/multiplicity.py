"""Many tests at once: how many of those that look significant are so by chance."""

from collections.abc import Sequence

import numpy as np


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values [n] in the order given.

    Rejecting those below `alpha` keeps the expected share of false ones among the rejected at
    `alpha` at most, where tests are independent or positively dependent (Benjamini and Hochberg
    1995; Benjamini and Yekutieli 2001). Where nothing is true, the chance of any rejection is
    `alpha` at most.

    Raises:
        ValueError: A value is not between 0 and 1.
    """
    found = np.asarray(p_values, np.float64)
    if not np.all((found >= 0) & (found <= 1)):
        raise ValueError(f"a p-value is between 0 and 1, got {list(p_values)}")
    order = np.argsort(found)[::-1]
    ranks = np.arange(len(found), 0, -1)
    least = np.minimum.accumulate(found[order] * len(found) / ranks)
    adjusted = np.empty(len(found))
    adjusted[order] = least
    return adjusted.tolist()
