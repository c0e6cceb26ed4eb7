"""Count, mean and spread of measurements, which add up over parts."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Of `n` measurements: their mean, and the sum of their squared distances from it."""

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @classmethod
    def of(cls, values: npt.ArrayLike) -> Self:
        """Of measurements [n]; none is a measurement of nothing."""
        found = np.asarray(values, np.float64)
        if not found.size:
            return cls()
        mean = float(found.mean())
        return cls(n=found.size, mean=mean, squares=float(((found - mean) ** 2).sum()))

    @classmethod
    def of_hits(cls, hits: int, n: int) -> Self:
        """Of n units of which so many are 1 and the others 0: errors, conversions.

        Raises:
            ValueError: There are more hits than units, or a number is below 0.
        """
        if not 0 <= hits <= n:
            raise ValueError(f"{hits} of {n} units is no share; give hits from 0 to the units")
        share = hits / n if n else 0.0
        return cls(n=n, mean=share, squares=hits * (1 - share))

    @property
    def variance(self) -> float:
        """The unbiased estimate; 0 below two measurements."""
        return self.squares / (self.n - 1) if self.n > 1 else 0.0

    def __add__(self, other: Self) -> Self:
        """Of both together (Chan, Golub and LeVeque 1979)."""
        n = self.n + other.n
        if not n:
            return self
        apart = other.mean - self.mean
        return type(self)(
            n=n,
            mean=self.mean + apart * other.n / n,
            squares=self.squares + other.squares + apart**2 * self.n * other.n / n,
        )
