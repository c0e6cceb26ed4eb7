"""Where a profile cuts its columns: deciles, percentiles, groups of categories."""

import math
from collections.abc import Mapping
from typing import Literal, NotRequired, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Kind: TypeAlias = Literal["number", "text", "boolean"]

BINS = 10
# Fine edges are percentiles: KS is at most 0.01 too small, and 25 columns take 60 kB of the card.
FINE_BINS = 100
# Wasserstein's distance is winsorised there: one outlier of 10,000 in 20,000 rows moved the mean
# by half a deviation.
TAILS = (0.001, 0.999)
# Rarer categories share bins: at 0.05 a bin expects 10 of 200 rows, at 0.025 so many were empty by
# chance that one undrifted column in 20 had a PSI above 0.25.
LEAST_SHARE = 0.05
GREATEST = float(np.finfo(np.float64).max)


class Fine(TypedDict):
    """Percentiles of a numeric column and the training rows between them.

    Attributes:
        edges: Ascending: 0.1%, 1% to 99%, 99.9%, those of the deciles among them.
        counts: Rows of each bin that they cut, one more than edges.
        steps: Whether every value is an edge.
        mean: Of the values, winsorised at the first and last edge.
        deviation: Their standard deviation, winsorised alike; 0 of a constant.
    """

    edges: list[float]
    counts: list[int]
    steps: bool
    mean: float
    deviation: float


class NumericProfile(TypedDict):
    """A numeric column: bin i holds `edges[i-1] < value <= edges[i]`, the outer ones are open.

    What is not required is absent in cards of format 1.
    """

    kind: Literal["numeric"]
    edges: list[float]
    shares: list[float]
    null_share: float
    minimum: float | None
    maximum: float | None
    threshold: float
    fine: NotRequired[Fine]
    infinite_share: NotRequired[float]
    null_threshold: NotRequired[float]


class CategoricalProfile(TypedDict):
    """A categorical column: the share of every category seen, the most frequent first."""

    kind: Literal["categorical"]
    categories: dict[str, float]
    null_share: float
    threshold: float
    type: NotRequired[Kind]
    null_threshold: NotRequired[float]


ColumnProfile: TypeAlias = NumericProfile | CategoricalProfile


def cuts(profile: NumericProfile) -> list[float]:
    """All edges that a numeric column's rows are counted by, ascending.

    Beside those of the profile they tell infinite values, those out of the training range, and
    those further out than the range of the percentiles is wide.
    """
    fine = fine_edges(profile)
    found = {-np.inf, GREATEST, *fine, *profile["edges"]}
    if profile["minimum"] is not None and profile["maximum"] is not None:
        found |= {_below(profile["minimum"]), profile["maximum"], *far(profile)}
    return sorted(found)


def far(profile: NumericProfile) -> tuple[float, float]:
    """Below and above which a value lies further out than the training range is wide.

    The range is that of the percentiles, so that one outlier of the training rows is not it.
    """
    fine = fine_edges(profile)
    low, high = profile["minimum"], profile["maximum"]
    if low is None or high is None or low == high or not fine:
        return -GREATEST, GREATEST
    width = fine[-1] - fine[0]
    return max(low - width, -GREATEST), min(high + width, GREATEST)


def fine_edges(profile: NumericProfile) -> list[float]:
    """The percentiles; the deciles in a card of format 1."""
    return profile["fine"]["edges"] if "fine" in profile else profile["edges"]


def between(counts: Integers, cut: list[float], edges: list[float]) -> Integers:
    """Rows [..., edges + 1] of the bins that some of the cuts make, of rows [..., cuts + 1]."""
    below = np.cumsum(counts, axis=-1)
    at = np.searchsorted(np.array(cut), np.array(edges))
    ends = np.concatenate([below[..., at], below[..., -1:]], axis=-1)
    return np.diff(ends, axis=-1, prepend=0)


def quantile_edges(finite: Floats, bins: int, tails: tuple[float, ...] = ()) -> list[float]:
    """Inner edges of equal shares of sorted values, each one that occurs, without repetitions."""
    whole = [-(-len(finite) * i // bins) for i in range(1, bins)]
    ranks = sorted({*whole, *(max(int(np.ceil(len(finite) * tail)), 1) for tail in tails)})
    edges: list[float] = np.unique(finite[np.array(ranks) - 1]).tolist()
    # Where the least value fills a bin of its own, a lower one must not fall into it unseen.
    if edges[0] == finite[0] > -GREATEST:
        edges.insert(0, _below(edges[0]))
    return edges


def groups(categories: Mapping[str, float]) -> dict[str, int]:
    """The bin of every category seen; rare ones are put together until a bin has its share.

    They are taken by name: were they taken by share, the first bins would hold what happened to
    be frequent in the reference, and less of it later.
    """
    least = LEAST_SHARE - 1e-9
    frequent = sorted(name for name, share in categories.items() if share >= least)
    numbers = {name: number for number, name in enumerate(frequent)}
    group, filled = len(frequent), 0.0
    for name in sorted(set(categories) - set(frequent)):
        numbers[name] = group
        filled += categories[name]
        if filled >= least:
            group, filled = group + 1, 0.0
    # Those left over, too few for a bin, join the last bin of rare ones.
    last = max(group - 1, len(frequent))
    return {name: min(number, last) for name, number in numbers.items()}


def coarse(profile: ColumnProfile, counts: Integers) -> Integers:
    """Rows [..., bins] of the deciles, or of the groups of categories and of unseen ones.

    `counts` are [..., cuts + 1], or [..., categories + 1] with the unseen ones last.
    """
    if profile["kind"] == "numeric":
        return between(counts, cuts(profile), profile["edges"])
    numbers = groups(profile["categories"])
    bins = max(numbers.values(), default=-1) + 1
    found = np.zeros((*counts.shape[:-1], bins + 1), np.int64)
    for place, name in enumerate(profile["categories"]):
        found[..., numbers[name]] += counts[..., place]
    found[..., bins] = counts[..., -1]
    return found


def shares(profile: ColumnProfile) -> Floats:
    """The reference's share of each coarse bin, of all rows; the last bin is null."""
    if profile["kind"] == "numeric":
        return np.array([*profile["shares"], profile["null_share"]])
    numbers = groups(profile["categories"])
    found = np.zeros(max(numbers.values(), default=-1) + 1)
    for name, number in numbers.items():
        found[number] += profile["categories"][name]
    return np.array([*found, 0.0, profile["null_share"]])


def _below(value: float) -> float:
    return math.nextafter(value, -math.inf)
