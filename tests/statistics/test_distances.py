"""Distances of binned distributions and tests of counts, against SciPy and by hand."""

from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, false_discovery_control, ks_2samp, wasserstein_distance

from mlplat_assets.statistics.distances import (
    jensen_shannon,
    kolmogorov_smirnov,
    kolmogorov_smirnov_p,
    psi,
    psi_by_chance,
    wasserstein,
)
from mlplat_assets.statistics.homogeneity import homogeneity_p
from mlplat_assets.statistics.multiplicity import benjamini_hochberg

RANDOM = np.random.default_rng(0)
BEFORE, NOW = RANDOM.normal(size=4_000), RANDOM.normal(0.4, 1.3, size=1_000)
EDGES = np.quantile(BEFORE, [0.001, *np.arange(0.01, 1, 0.01), 0.999])


def shares(values: np.ndarray, edges: np.ndarray = EDGES) -> np.ndarray:
    """Shares of the bins that edges cut, each with its upper edge."""
    places = np.searchsorted(edges, values, side="left")
    return np.bincount(places, minlength=len(edges) + 1) / len(values)


def test_jensen_shannon_is_scipys_in_bits() -> None:
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.2, 0.3, 0.5])
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2))
    assert jensen_shannon(p, p) == 0
    assert jensen_shannon(np.array([1.0, 0]), np.array([0, 1.0])) == 1


def test_kolmogorov_smirnov_is_scipys_but_for_a_percentile() -> None:
    result: Any = ks_2samp(BEFORE, NOW, method="asymp")  # typed as a tuple of anything
    exact = result.statistic
    found = kolmogorov_smirnov(shares(BEFORE), shares(NOW))
    assert exact - 0.01 < found <= exact
    p = kolmogorov_smirnov_p(0.05, 4_000, 1_000)
    assert p == pytest.approx(0.0366, abs=0.001)


def test_wasserstein_is_scipys_of_winsorised_values() -> None:
    low, high = EDGES[0], EDGES[-1]
    exact = wasserstein_distance(BEFORE.clip(low, high), NOW.clip(low, high))
    found = wasserstein(EDGES, shares(BEFORE), shares(NOW), steps=False)
    assert found == pytest.approx(exact, rel=0.02)
    outlier = np.append(NOW, 1e4)
    assert wasserstein(EDGES, shares(BEFORE), shares(outlier), steps=False) < exact + 0.01


def test_wasserstein_of_few_values_is_exact() -> None:
    before, now = np.array([0, 0, 1, 3] * 5), np.array([0, 1, 3, 3] * 5)
    edges = np.array([-1e-9, 0.0, 1.0, 3.0])
    found = wasserstein(edges, shares(before, edges), shares(now, edges), steps=True)
    assert found == pytest.approx(wasserstein_distance(before, now))


def test_psi_by_chance_is_exceeded_one_time_in_twenty() -> None:
    shares = np.full(10, 0.1)
    sides = RANDOM.multinomial([1_000, 500], shares, size=(4_000, 2))
    found = psi(sides[:, 0] / 1_000, sides[:, 1] / 500)
    assert np.mean(found > psi_by_chance(10, 1_000, 500, 0.05)) == pytest.approx(0.05, abs=0.015)


def test_homogeneity_is_scipys_where_no_bin_is_rare() -> None:
    table = [[50, 60, 70], [60, 50, 90]]
    assert homogeneity_p(*table) == pytest.approx(chi2_contingency(table)[1])


@pytest.mark.parametrize(
    ("before", "now", "merged"),
    [
        ([500, 2, 1, 1], [480, 1, 5, 5], [[4, 500], [11, 480]]),
        ([500, 480, 0], [470, 500, 1], [[500, 480], [471, 500]]),
    ],
)
def test_rare_bins_are_put_together(
    before: list[int], now: list[int], merged: list[list[int]]
) -> None:
    expected = chi2_contingency(merged, correction=False)[1]
    assert homogeneity_p(before, now) == pytest.approx(expected)


def test_nothing_to_compare_is_no_difference() -> None:
    assert homogeneity_p([0, 0], [5, 5]) == 1
    assert homogeneity_p([500, 0], [300, 0]) == 1
    assert homogeneity_p([1, 1], [1, 0]) == 1


def test_benjamini_and_hochberg_is_scipys() -> None:
    found = [0.04, 0.001, 0.8, 0.03, 0.03, 1.0]
    assert benjamini_hochberg(found) == pytest.approx(false_discovery_control(found).tolist())
    assert benjamini_hochberg([]) == []


def test_a_p_value_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        benjamini_hochberg([0.1, 1.2])
