"""CUPED: a metric without the part that was known of each unit before the experiment.

Deng, Xu, Kohavi and Walker, "Improving the Sensitivity of Online Controlled Experiments by
Utilizing Pre-Experiment Data", WSDM 2013: y - theta (x - mean of x), theta = cov(x, y) / var(x).
The estimate stays unbiased as no arm can change x; the variance falls by the factor 1 - rho^2.
"""

import math
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from mlplat_assets.statistics.moments import Moments


@dataclass(frozen=True, kw_only=True)
class PairedMoments:
    """Of `n` units: a metric y and a covariate x, as moments that add up over parts.

    Attributes:
        y: Of the metric.
        x: Of the covariate, of the same units.
        products: Sum of (x - mean of x) (y - mean of y).
    """

    y: Moments = field(default_factory=Moments)
    x: Moments = field(default_factory=Moments)
    products: float = 0.0

    @classmethod
    def of(cls, y: npt.ArrayLike, x: npt.ArrayLike) -> Self:
        """Of units [n] each."""
        ys, xs = np.asarray(y, np.float64), np.asarray(x, np.float64)
        if ys.shape != xs.shape:
            raise ValueError(f"metric has {ys.shape} units and covariate {xs.shape}; give the same")
        if not ys.size:
            return cls()
        products = float(((ys - ys.mean()) * (xs - xs.mean())).sum())
        return cls(y=Moments.of(ys), x=Moments.of(xs), products=products)

    def __add__(self, other: Self) -> Self:
        """Of both together."""
        n = self.y.n + other.y.n
        if not n:
            return self
        apart = (other.y.mean - self.y.mean) * (other.x.mean - self.x.mean)
        return type(self)(
            y=self.y + other.y,
            x=self.x + other.x,
            products=self.products + other.products + apart * self.y.n * other.y.n / n,
        )

    @property
    def correlation(self) -> float:
        """Pearson's, of metric and covariate; 0 where one of them does not vary."""
        spread = math.sqrt(self.x.squares * self.y.squares)
        return self.products / spread if spread > 0 else 0.0


def adjusted(arms: list[PairedMoments]) -> list[Moments]:
    """The metric of each arm without what the covariate tells, the same theta in all of them.

    Theta is of the units of all arms, each about its own arm's means, so that an effect of the
    arm does not enter it; 0 where the covariate does not vary. Means stay in the metric's units.
    """
    within = math.fsum(arm.x.squares for arm in arms)
    theta = math.fsum(arm.products for arm in arms) / within if within > 0 else 0.0
    n = sum(arm.x.n for arm in arms)
    centre = math.fsum(arm.x.n * arm.x.mean for arm in arms) / n if n else 0.0
    return [_without(arm, theta, centre) for arm in arms]


def _without(arm: PairedMoments, theta: float, centre: float) -> Moments:
    squares = arm.y.squares - 2 * theta * arm.products + theta**2 * arm.x.squares
    mean = arm.y.mean - theta * (arm.x.mean - centre) if arm.y.n else 0.0
    # Of a covariate that tells everything, rounding may leave a little less than nothing.
    return Moments(n=arm.y.n, mean=mean, squares=max(squares, 0.0))
