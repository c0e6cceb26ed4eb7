"""Shadows beside the live answers to the same requests, pair by pair."""

import json
import math
from dataclasses import dataclass
from datetime import date
from typing import cast

import numpy as np
import polars as pl

from mlplat_assets.model_spec import Task
from resources.lake import Lake


@dataclass(frozen=True, kw_only=True)
class PairedVersion:
    """What a version would have answered, against what was answered.

    Attributes:
        version: The shadow's version.
        pairs: How many requests both answered.
        errors: How often the shadow gave an error.
        unpaired: How many of its answers have no live one in the lake yet.
        mean_difference: Mean absolute difference of the predictions.
        decided_differently: Share of pairs with another class: beyond a half of a binary model,
            the most probable one of a multiclass model; None of a regression.
        rank_correlation: Spearman's; None where one side is constant, or below three pairs.
        live_ms: Median latency of the live answers, in milliseconds.
        shadow_ms: Median latency of the shadow.
    """

    version: int
    pairs: int
    errors: int
    unpaired: int
    mean_difference: float | None
    decided_differently: float | None
    rank_correlation: float | None
    live_ms: float | None
    shadow_ms: float | None


def pairs_of(lake: Lake, shadows: str, live: str, first: date, last: date) -> pl.DataFrame:
    """Each shadow's answer of the days with the live one, null where there is none."""
    found = lake.read(
        f"""select s.version, s.prediction as shadow, s.probabilities as shadow_probabilities,
                   s.error, s.latency_ms as shadow_ms, p.prediction as live,
                   p.probabilities as live_probabilities, p.latency_ms as live_ms
            from {shadows} s left join {live} p
              on s.prediction_id = p.prediction_id and s.partition_day = p.partition_day
            where s.partition_day between ? and ?""",
        [first, last],
    )
    return pl.DataFrame(found)


def paired_versions(rows: pl.DataFrame, task: Task) -> list[PairedVersion]:
    """The comparison of each version that was a shadow, by its number."""
    return [
        _paired(cast(int, version), part, task)
        for (version,), part in sorted(rows.partition_by("version", as_dict=True).items())
    ]


def _paired(version: int, rows: pl.DataFrame, task: Task) -> PairedVersion:
    both = rows.drop_nulls(["shadow", "live"])
    shadow, live = both["shadow"].to_numpy(), both["live"].to_numpy()
    return PairedVersion(
        version=version,
        pairs=both.height,
        errors=rows.height - rows["error"].null_count(),
        unpaired=rows["live"].null_count(),
        mean_difference=float(np.abs(shadow - live).mean()) if both.height else None,
        decided_differently=_decided_differently(both, task),
        rank_correlation=_rank_correlation(shadow, live),
        live_ms=_median(both["live_ms"]),
        shadow_ms=_median(both["shadow_ms"]),
    )


def _decided_differently(both: pl.DataFrame, task: Task) -> float | None:
    if task == "regression" or both.is_empty():
        return None
    if task == "binary":
        shadow, live = (both[side].to_numpy() >= 0.5 for side in ("shadow", "live"))
        return float((shadow != live).mean())
    decided = [
        [_most_probable(text) for text in both[f"{side}_probabilities"]]
        for side in ("shadow", "live")
    ]
    return sum(a != b for a, b in zip(*decided, strict=True)) / both.height


def _most_probable(text: str) -> str:
    probabilities: dict[str, float] = json.loads(text)
    return max(probabilities, key=lambda name: probabilities[name])


def _rank_correlation(shadow: np.ndarray, live: np.ndarray) -> float | None:
    from scipy.stats import spearmanr

    if len(live) < 3 or np.ptp(shadow) == 0 or np.ptp(live) == 0:
        return None
    found = cast(float, spearmanr(shadow, live)[0])
    return None if math.isnan(found) else found


def _median(values: pl.Series) -> float | None:
    return cast(float | None, values.median())
