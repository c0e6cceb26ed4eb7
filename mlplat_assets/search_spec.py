"""What teams write about a search for hyperparameters: the ranges, and how many trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """A number from `low` to `high`, both included; with `log`, evenly over its logarithm."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True, kw_only=True)
class IntRange:
    """A whole number from `low` to `high`, both included; with `log`, evenly over its logarithm."""

    low: int
    high: int
    log: bool = False


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of some values."""

    options: tuple[float | int | str | bool, ...]


@dataclass(frozen=True, kw_only=True)
class Search:
    """Where better hyperparameters are looked for, on request: `mlplat models search MODEL`.

    `space` gives the range of each; those of `ModelSpec.hyperparameters` that it does not name
    stay. `trials` is how many are tried. `metric` is measured on the validation rows, never on
    the holdout; None is the first gate's. `pruner` gives up trials that fall behind.
    """

    space: Mapping[str, Uniform | IntRange | Choice]
    trials: int = 20
    metric: str | None = None
    pruner: Literal["median", "hyperband", "none"] = "median"
