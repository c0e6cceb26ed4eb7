"""Whether two samples are surely further apart than a bound of PSI, at any number of looks."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Bins of equal weight in the reference, as the field has it.
BINS = 10
# PSI below so many units says nothing: without any drift 100 units exceed 0.1 in 41% of windows.
FEWEST = 200

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class Stability:
    """PSI of a sample against a reference.

    Attributes:
        psi: The estimate; NaN below `FEWEST` units of either.
        limit: What an estimate may come to by chance while the true one is at the bound.
        units: Of the sample, that it was taken of.
    """

    psi: float
    limit: float
    units: int

    @property
    def is_beyond(self) -> bool:
        """Whether the true one is surely beyond the bound."""
        return self.psi > self.limit


def stability(reference: Floats, sample: Floats, *, bound: float, alpha: float) -> Stability:
    """PSI, against what it may be by chance at all looks together.

    It is taken of the first 200, 400, 800, ... units only, and the k-th of these looks spends
    6 / (pi k)^2 of alpha; so looking in between changes nothing. With n and m units, PSI times
    n m / (n + m) is about noncentral chi-square with 9 degrees of freedom around the true one.

    Args:
        reference: The champion's predictions in the order of their time; all finite.
        sample: The version's.
        bound: The true PSI that is still allowed.
        alpha: The chance of a verdict that is false.
    """
    from scipy.stats import ncx2

    units = min(len(reference), len(sample))
    if units < FEWEST:
        return Stability(psi=math.nan, limit=math.inf, units=len(sample))
    look = int(math.log2(units / FEWEST)) + 1
    n = FEWEST * 2 ** (look - 1)
    edges = edges_of(reference[:n])
    expected, found = (
        np.bincount(bins_of(values[:n], edges), minlength=len(edges) + 1)
        for values in (reference, sample)
    )
    psi = float(index_of(expected, found))
    information, spent = n / 2, 6 * alpha / (math.pi * look) ** 2
    limit = float(ncx2.isf(spent, max(len(edges), 1), bound * information)) / information
    return Stability(psi=psi, limit=limit, units=n)


def edges_of(reference: Floats) -> Floats:
    """What cuts values into bins of equal weight [at most `BINS` - 1], ascending."""
    return np.unique(np.quantile(reference, np.linspace(0, 1, BINS + 1)[1:-1]))


def bins_of(values: Floats, edges: Floats) -> npt.NDArray[np.intp]:
    """The bin of each value [n], 0 to the number of edges."""
    # A value on an edge belongs above it, so that a constant has a bin of its own.
    return np.searchsorted(edges, values, side="right")


def index_of(reference: npt.ArrayLike, sample: npt.ArrayLike) -> Floats:
    """PSI of the units in each bin [..., bins], over the last axis."""
    # Half a unit more in each: with the usual floor of 0.0001, a bin that one unit in 200 is in and
    # that chance left empty adds 0.7 to the index.
    counts = (np.asarray(side, np.float64) + 0.5 for side in (reference, sample))
    expected, found = (each / each.sum(axis=-1, keepdims=True) for each in counts)
    return ((found - expected) * np.log(found / expected)).sum(axis=-1)
