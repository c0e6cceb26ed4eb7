"""Shares of traffic by Thompson sampling: more to the arms that are likelier the best."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from mlplat_assets.statistics.moments import Moments

# GrowthBook's: fewer units an arm say too little of its spread.
LEAST_UNITS = 100
_DRAWS = 10_000


def top_two_shares(
    arms: Sequence[Moments],
    *,
    better: Literal["higher", "lower"],
    floor: float = 0.01,
    seed: int = 0,
) -> list[float]:
    """The share of units that each arm should have next; they come to 1.

    Top-two Thompson sampling (Russo, "Simple Bayesian Algorithms for Best-Arm Identification",
    2016) with a half each: an arm's share is the mean of how probably it is the best, and how
    probably the second best; of two arms it is how probably it is the best, as one of them is
    always second. Means are drawn from a normal of the estimate and its standard error. Equal
    shares while an arm has fewer than 100 units.

    Args:
        arms: What is known of each, two or more.
        better: Which end of the metric.
        floor: The least share of each arm, so that none is given up on a bad day.
        seed: Of the 10,000 draws.

    Raises:
        ValueError: There are fewer than two arms, or their floors take all traffic.
    """
    if len(arms) < 2 or not 0 <= floor * len(arms) < 1:
        raise ValueError(
            f"{len(arms)} arms with a floor of {floor:g} each; give two or more, and floors that "
            "leave something to share"
        )
    if any(arm.n < LEAST_UNITS for arm in arms):
        return [1 / len(arms)] * len(arms)
    means = np.array([arm.mean for arm in arms])
    errors = np.sqrt([arm.variance / arm.n for arm in arms])
    drawn = np.random.default_rng(seed).normal(means, errors, (_DRAWS, len(arms)))
    # Sorted so that the best of a draw comes last, whichever end is better.
    order = np.argsort(drawn if better == "higher" else -drawn, axis=1)
    places = (1,) if len(arms) == 2 else (1, 2)
    wins = [np.bincount(order[:, -place], minlength=len(arms)) / _DRAWS for place in places]
    shares = floor + (1 - len(arms) * floor) * np.mean(wins, axis=0)
    return [float(share) for share in shares]
