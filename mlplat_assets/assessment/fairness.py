"""How differently a binary model decides about the groups of a column."""

from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import polars as pl

from mlplat_assets.assessment.verdicts import Verdict, below_limit
from mlplat_assets.model_spec import Fairness
from mlplat_assets.statistics.intervals import Interval, Units, quantile, wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray


class FairnessResult(TypedDict):
    """One declared fairness as evidence records it.

    `groups` holds value, rows that count, and the interval of the share decided positive (None in
    a group too small). `gap` is the greatest difference of two groups, None with fewer than two.
    """

    column: str
    metric: str
    limit: float
    threshold: float
    groups: list[dict[str, Any]]
    gap: dict[str, float] | None
    between: list[str]
    verdict: Verdict
    passed: bool
    reason: str


class Share(NamedTuple):
    """A group's share, and how far each unit moves it: [units], which sum to nothing."""

    value: str
    share: float
    moves: "NDArray"


def judge_fairness(
    wanted: Fairness,
    column: pl.Series,
    truth: "NDArray",
    probability: "NDArray",
    units: Units,
) -> FairnessResult:
    """The gap between the groups of a column, held against its limit.

    Missing values are a group like any other.
    """
    import numpy as np

    threshold = threshold_of(wanted, truth, probability)
    counts = truth == 1 if wanted.metric == "equal_opportunity" else np.ones(len(truth), bool)
    decided = probability >= threshold
    groups, shares = [], []
    text = column.cast(pl.String).fill_null("missing")
    for value in sorted(text.unique().to_list()):
        mask = (text == value).to_numpy() & counts
        group: dict[str, Any] = {"value": value, "rows": int(mask.sum()), "share": None}
        if group["rows"] >= max(1, wanted.minimum_rows):
            found = share_of(value, mask, decided, units)
            shares.append(found)
            error = float(np.sqrt((found.moves**2).sum()))
            group["share"] = wilson(found.share, error, group["rows"], units.count).json()
        groups.append(group)
    what = f"{wanted.metric} gap over {wanted.column}"
    gap, between = None, []
    if len(shares) < 2:
        verdict = Verdict.INCONCLUSIVE
        reason = (
            f"{what}: {len(shares)} of {len(groups)} groups have {wanted.minimum_rows} rows that "
            "count, so there is nothing to compare; lengthen the holdout"
        )
    else:
        gap, between = widest_gap(shares, units)
        verdict, reason = below_limit(f"{what} ({' and '.join(between)})", gap, wanted.limit)
    return FairnessResult(
        column=wanted.column,
        metric=wanted.metric,
        limit=wanted.limit,
        threshold=threshold,
        groups=groups,
        gap=gap and gap.json(),
        between=between,
        verdict=verdict,
        passed=verdict is Verdict.PASS,
        reason=reason,
    )


def threshold_of(wanted: Fairness, truth: "NDArray", probability: "NDArray") -> float:
    """The declared threshold, or the one that decides as many rows positive as truly were."""
    import numpy as np

    if wanted.threshold is not None:
        return wanted.threshold
    positives = int((truth == 1).sum())
    return float(np.sort(probability)[len(probability) - positives])


def share_of(value: str, mask: "NDArray", decided: "NDArray", units: Units) -> Share:
    """A group's share decided positive, linearised by unit so that differences have an error."""
    import numpy as np

    share = float(decided[mask].mean())
    residual = np.where(mask, decided - share, 0.0) / mask.sum()
    scale = np.sqrt(units.count / max(1, units.count - 1))
    return Share(value, share, units.sums(residual) * scale)


def widest_gap(shares: list[Share], units: Units) -> tuple[Interval, list[str]]:
    """The greatest difference of two shares and its interval, and between whom it is.

    The greatest of many differences is great by chance alone, so its ends are the greatest ends
    over all pairs, the lower ones corrected by Bonferroni. The upper ones need none: the widest
    pair in truth is one of the pairs, and its own end is below the greatest.
    """
    import numpy as np

    ordered = sorted(shares, key=lambda each: each.share)
    pairs = [(low, high) for i, low in enumerate(ordered) for high in ordered[i + 1 :]]
    tail = 0.025
    above, below = quantile(units.count, tail=tail), quantile(units.count, tail=tail / len(pairs))
    lows, highs = [0.0], []
    for low, high in pairs:
        error = float(np.sqrt(((high.moves - low.moves) ** 2).sum()))
        lows.append(high.share - low.share - below * error)
        highs.append(high.share - low.share + above * error)
    widest = ordered[-1].share - ordered[0].share
    gap = Interval(estimate=widest, low=min(max(lows), widest), high=min(max(highs), 1.0))
    return gap, [ordered[-1].value, ordered[0].value]
