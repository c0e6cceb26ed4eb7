"""The rows of the statistical bar on looking again and again: rollback and sample ratio.

python -m bench.bar_sequential

Seeds are fixed. A row is {claim, bar, measured, holds}.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlplat_assets.statistics.imbalance import RATIO_ALPHA, ratio_evidence
from mlplat_assets.statistics.moments import Moments
from mlplat_assets.statistics.sequential import one_sided_sequence

EXPERIMENTS, LOOKS, PER_LOOK = 2000, 50, 200
Row = dict[str, Any]


def rows() -> list[Row]:
    """Each claim with its bar, what was measured, and whether it holds."""
    return [*rollback_rows(), *ratio_rows()]


def rollback_rows() -> list[Row]:
    """Of one-sided sequences at 5%: "the arm has more errors", 50 looks at 200 units an arm."""
    found = []
    for rate in (0.005, 0.02, 0.2):
        false = _share(_stops(rate, rate, seed=61))
        found.append(
            {
                "claim": f"False rollbacks in {LOOKS} looks, {rate:.1%} errors in both arms",
                "bar": "at most 0.05",
                "measured": false,
                "holds": false <= 0.05,
            }
        )
    stops = _stops(0.02, 0.04, seed=62)
    power, median = _share(stops), float(np.median([n for n in stops if n]))
    found.append(
        {
            "claim": f"Rollbacks in {LOOKS} looks, 2% errors against 4%",
            "bar": "at least 0.99",
            "measured": power,
            "holds": power >= 0.99,
        }
    )
    found.append(
        {
            "claim": "Median units of an arm until that rollback",
            "bar": "at most 1600",
            "measured": median,
            "holds": median <= 1600,
        }
    )
    return found


def ratio_rows() -> list[Row]:
    """Of the sequential ratio check at 0.2%, 50 looks at 400 units."""
    found = []
    for share in (0.5, 0.05):
        false = _share(_alarms(share, share, seed=63))
        found.append(
            {
                "claim": f"False ratio alarms in {LOOKS} looks, an arm of {share:.0%}",
                "bar": "at most 0.002",
                "measured": false,
                "holds": false <= 0.002,
            }
        )
    caught = _share(_alarms(0.48, 0.5, seed=64))
    found.append(
        {
            "claim": "48/52 instead of 50/50 found within 20,000 units",
            "bar": "at least 0.9",
            "measured": caught,
            "holds": caught >= 0.9,
        }
    )
    return found


def _stops(rate_a: float, rate_b: float, seed: int) -> list[int]:
    """Units an arm at which each experiment rolls back; 0 if it never does."""
    drawn = np.random.default_rng(seed)
    hits = drawn.binomial(PER_LOOK, [[[rate_a]], [[rate_b]]], (2, EXPERIMENTS, LOOKS)).cumsum(-1)

    def rolls_back(a: int, b: int, look: int) -> bool:
        n = look * PER_LOOK
        return one_sided_sequence(Moments.of_hits(a, n), Moments.of_hits(b, n), alpha=0.05).low > 0

    return [
        PER_LOOK * _first(rolls_back, list(zip(a.tolist(), b.tolist(), strict=True)))
        for a, b in zip(*hits, strict=True)
    ]


def _alarms(share: float, declared: float, seed: int) -> list[int]:
    """The look at which each experiment alarms; 0 if it never does."""
    drawn = np.random.default_rng(seed).binomial(400, share, (EXPERIMENTS, LOOKS)).cumsum(-1)
    shares = (declared, 1 - declared)

    def alarms(hits: int, rest: int, _: int) -> bool:
        return ratio_evidence((hits, rest), shares) <= RATIO_ALPHA

    units = np.arange(1, LOOKS + 1) * 400
    return [
        _first(alarms, list(zip(hits.tolist(), (units - hits).tolist(), strict=True)))
        for hits in drawn
    ]


def _first(decides: Callable[[int, int, int], bool], counts: Sequence[tuple[int, int]]) -> int:
    return next((look for look, (a, b) in enumerate(counts, 1) if decides(a, b, look)), 0)


def _share(found: Sequence[int]) -> float:
    return float(np.mean([each > 0 for each in found]))


if __name__ == "__main__":
    print(json.dumps(rows(), indent=2))  # noqa: T201  this is a command
