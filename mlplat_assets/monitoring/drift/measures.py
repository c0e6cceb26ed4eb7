"""How far one column of a window is from its reference, by every measure, nothing decided."""

from dataclasses import dataclass

import numpy as np

from mlplat_assets.monitoring.drift.bins import (
    ColumnProfile,
    Floats,
    Integers,
    NumericProfile,
    between,
    coarse,
    cuts,
    fine_edges,
    shares,
)
from mlplat_assets.monitoring.drift.sketch import ColumnSketch
from mlplat_assets.statistics.distances import (
    jensen_shannon,
    kolmogorov_smirnov,
    kolmogorov_smirnov_p,
    psi,
    psi_by_chance,
    wasserstein,
)
from mlplat_assets.statistics.homogeneity import homogeneity_p


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Distances and tests of one column.

    Attributes:
        psi: Population stability index over the coarse bins, null and unseen ones included.
        psi_by_chance: What the PSI of so many undrifted rows exceeds one time in 20.
        jensen_shannon: The distance over the same bins, base 2, 0 to 1.
        chi_square_p: Of the test of homogeneity over the same bins.
        ks: Kolmogorov and Smirnov's statistic over the values; None of categories, and where a
            side has no values.
        ks_p: Its p-value.
        wasserstein: In reference deviations, winsorised at the reference's 0.1% and 99.9%; None
            where `ks` is, of a constant reference, and of cards of format 1.
        p_value: The column's: of categories the chi-square's, else twice the lesser of both.
        null_share: Of the window's rows, those without a value that could be read.
        mean: Of the values, winsorised alike; None of categories and without values.
    """

    psi: float
    psi_by_chance: float
    jensen_shannon: float
    chi_square_p: float
    ks: float | None
    ks_p: float | None
    wasserstein: float | None
    p_value: float
    null_share: float
    mean: float | None


def measured(
    sketch: ColumnSketch, profile: ColumnProfile, reference_rows: int, alpha: float
) -> Measures:
    """Every measure of a column in a window that has rows."""
    reference = shares(profile)
    counts = np.array([*coarse(profile, sketch.counts), sketch.nulls])
    current = counts / sketch.rows
    p_value = chi_square_p = homogeneity_p(np.rint(reference * reference_rows), counts)
    ks = ks_p = apart = mean = None
    if profile["kind"] == "numeric" and sketch.present:
        mean = sketch.total / sketch.present
        before, now = _fine(profile, sketch, reference_rows)
        if before.any():
            p, q = before / before.sum(), now / now.sum()
            ks = kolmogorov_smirnov(p, q)
            ks_p = kolmogorov_smirnov_p(ks, int(before.sum()), int(now.sum()))
            p_value = min(1.0, 2 * min(ks_p, chi_square_p))
            apart = _wasserstein(profile, p, q)
    held = int(((reference > 0) | (counts > 0)).sum())
    return Measures(
        psi=float(psi(reference, current)),
        psi_by_chance=psi_by_chance(held, reference_rows, sketch.rows, alpha),
        jensen_shannon=jensen_shannon(reference, current),
        chi_square_p=chi_square_p,
        ks=ks,
        ks_p=ks_p,
        wasserstein=apart,
        p_value=p_value,
        null_share=sketch.nulls / sketch.rows,
        mean=mean,
    )


def _fine(
    profile: NumericProfile, sketch: ColumnSketch, reference_rows: int
) -> tuple[Integers, Integers]:
    """Rows by fine bin of the reference and of the window."""
    now = between(sketch.counts, cuts(profile), fine_edges(profile))
    if "fine" in profile:
        return np.array(profile["fine"]["counts"], np.int64), now
    return np.rint(np.array(profile["shares"]) * reference_rows).astype(np.int64), now


def _wasserstein(profile: NumericProfile, p: Floats, q: Floats) -> float | None:
    if "fine" not in profile or not profile["fine"]["deviation"]:
        return None
    fine = profile["fine"]
    area = wasserstein(np.array(fine["edges"]), p, q, steps=fine["steps"])
    return area / fine["deviation"]
