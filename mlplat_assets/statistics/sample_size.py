"""How many units an experiment needs, before it begins."""

import math
from dataclasses import dataclass, replace

from mlplat_assets.statistics.moments import Moments
from mlplat_assets.statistics.sequential import difference_sequence


@dataclass(frozen=True, kw_only=True)
class Design:
    """What is to be found, and how surely.

    Attributes:
        variance_a: Of the metric among the control's units, in its units squared.
        variance_b: Among the arm's.
        effect: The least difference of means that is to be found, above 0.
        alpha: Chance of a difference where there is none, two-sided.
        power: Chance to find the effect.
        ratio: Units of the arm for one of the control.
    """

    variance_a: float
    variance_b: float
    effect: float
    alpha: float = 0.05
    power: float = 0.8
    ratio: float = 1.0

    def explained(self, correlation: float) -> "Design":
        """With CUPED, by a covariate of such a correlation with the metric."""
        if not -1 <= correlation <= 1:
            raise ValueError(f"correlation is {correlation:g}; give one from -1 to 1")
        left = 1 - correlation**2
        return replace(self, variance_a=self.variance_a * left, variance_b=self.variance_b * left)


def proportions(before: float, after: float, **terms: float) -> Design:
    """A design that tells one share of the units from another, both above 0 and below 1.

    Raises:
        ValueError: They are the same, or no shares.
    """
    if not (0 < before < 1 and 0 < after < 1) or before == after:
        raise ValueError(f"shares are {before:g} and {after:g}; give two from 0 to 1 that differ")
    return Design(
        variance_a=before * (1 - before),
        variance_b=after * (1 - after),
        effect=abs(after - before),
        **terms,
    )


def units_at_one_look(design: Design) -> tuple[int, int]:
    """Units of control and arm that a test at one look needs, by the normal approximation.

    n = (z of 1 - alpha/2 + z of power)^2 (var_a + var_b / ratio) / effect^2.

    Raises:
        ValueError: A term of the design is out of range.
    """
    _require(design)
    control = _needed(design, _quantile(1 - design.alpha / 2))
    return control, math.ceil(control * design.ratio)


def units_at_any_look(design: Design) -> tuple[int, int]:
    """Units of control and arm after which a confidence sequence has found the effect.

    By the last of them its width leaves the power that is asked for; in most experiments it stops
    before. Raises as `units_at_one_look`.
    """
    _require(design)
    least, most = _needed(design, 0.0), 1000 * _needed(design, 1.0) + 1000
    while least < most:
        middle = (least + most) // 2
        if _finds(design, middle):
            most = middle
        else:
            least = middle + 1
    return least, math.ceil(least * design.ratio)


def _finds(design: Design, control: int) -> bool:
    if control < 2 or control * design.ratio < 2:
        return False
    sizes = control, round(control * design.ratio)
    variances = design.variance_a, design.variance_b
    a, b = (Moments(n=n, squares=v * (n - 1)) for n, v in zip(sizes, variances, strict=True))
    half = difference_sequence(a, b, alpha=design.alpha).high
    error = math.sqrt(design.variance_a / a.n + design.variance_b / b.n)
    return half + _quantile(design.power) * error <= design.effect


def _needed(design: Design, quantile: float) -> int:
    spread = design.variance_a + design.variance_b / design.ratio
    return math.ceil((quantile + _quantile(design.power)) ** 2 * spread / design.effect**2)


def _quantile(probability: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(probability))


def _require(design: Design) -> None:
    for name in ("variance_a", "variance_b", "effect", "ratio"):
        if not getattr(design, name) > 0:
            raise ValueError(f"{name} is {getattr(design, name)}; give a number above 0")
    if not 0 < design.alpha < 1 or not 0.5 <= design.power < 1:
        raise ValueError(
            f"alpha is {design.alpha:g} and power {design.power:g}; give an alpha between 0 and 1 "
            "and a power from 0.5 to below 1"
        )
