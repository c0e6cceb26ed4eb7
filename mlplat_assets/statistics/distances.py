"""How far two distributions are apart, given their counts over the same bins."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# A share of zero makes PSI infinite; this is the field's usual floor.
SHARE_FLOOR = 1e-4


def psi(reference: npt.ArrayLike, current: npt.ArrayLike) -> Floats:
    """Population stability index of shares [..., bins], over the last axis.

    It is 0 for equal shares; below 0.1 is stable, above 0.25 a major shift. Shares below 1e-4
    count as 1e-4.
    """
    p = np.maximum(np.asarray(reference, np.float64), SHARE_FLOOR)
    q = np.maximum(np.asarray(current, np.float64), SHARE_FLOOR)
    return np.sum((q - p) * np.log(q / p), axis=-1)


def psi_by_chance(bins: int, reference_rows: int, rows: int, alpha: float) -> float:
    """What the PSI of two samples of one distribution exceeds with probability `alpha`.

    It is about (1/n + 1/m) times a chi-square variable of bins - 1 degrees (Yurdakul 2018).
    """
    from scipy.special import chdtri

    return float(chdtri(max(bins - 1, 1), alpha)) * (1 / reference_rows + 1 / rows)


def jensen_shannon(reference: Floats, current: Floats) -> float:
    """Jensen-Shannon distance of shares [bins]: the root of the divergence in bits, 0 to 1.

    Base 2. The same distance in nats, as Evidently states it, is 0.833 times as great.
    """
    middle = (reference + current) / 2
    divergence = (_entropy(reference, middle) + _entropy(current, middle)) / 2
    return float(np.sqrt(max(divergence, 0.0)))


def kolmogorov_smirnov(reference: Floats, current: Floats) -> float:
    """The greatest difference of the cumulative shares of ordered bins [bins].

    Between bin edges it may be greater by a bin's share at most, so it errs towards no drift.
    """
    return float(np.abs(np.cumsum(reference - current)).max(initial=0.0))


def kolmogorov_smirnov_p(statistic: float, reference_rows: int, rows: int) -> float:
    """The chance of so great a difference between samples of one distribution, asymptotically."""
    from scipy.special import kolmogorov

    rate = np.sqrt(reference_rows * rows / (reference_rows + rows))
    return float(kolmogorov(rate * statistic))


def wasserstein(edges: Floats, reference: Floats, current: Floats, *, steps: bool) -> float:
    """The area between two cumulative distributions, in the unit of the edges.

    Args:
        edges: Ascending [k]; what lies below the first or above the last counts as lying there,
            which winsorises both sides.
        reference: Shares [k + 1] of the bins that the edges cut.
        current: The same of the other side.
        steps: Whether every value is an edge; else values lie evenly between edges.
    """
    if len(edges) < 2:
        return 0.0
    apart = np.cumsum(reference - current)[:-1]
    widths = np.diff(edges)
    left, right = np.abs(apart[:-1]), np.abs(apart[1:])
    if steps:
        return float(np.sum(left * widths))
    crossing = apart[:-1] * apart[1:] < 0
    total = np.where(left + right > 0, left + right, 1.0)
    means = np.where(crossing, (left**2 + right**2) / (2 * total), (left + right) / 2)
    return float(np.sum(means * widths))


def _entropy(shares: Floats, middle: Floats) -> float:
    held = shares > 0
    return float(np.sum(shares[held] * np.log2(shares[held] / middle[held])))
