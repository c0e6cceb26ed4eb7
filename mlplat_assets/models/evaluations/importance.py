"""Permutation importance: what the metric loses when one input no longer belongs to its row.

Breiman 2001 ("Random Forests", section 10), on the holdout and through the served predictor: an
input is what a request or the online store gives, and on-demand features follow it.
"""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import polars as pl

from mlplat_assets.metrics import score
from mlplat_assets.model_spec import METRICS, Task
from mlplat_assets.models.evaluations.served import Served

# 2,000 rows place the flights' 40 inputs in 3 s; an importance below 0.002 of AUC is chance.
ROWS, REPEATS = 2000, 3


class Importance(TypedDict):
    """What the metric loses, in its unit, positive where the input matters.

    `loss` is the mean of the permutations, `low` and `high` the least and the greatest.
    """

    name: str
    view: str
    loss: float
    low: float
    high: float


def importances(
    served: Served,
    rows: pl.DataFrame,
    truth: np.ndarray,
    task: Task,
    metric: str,
    *,
    seed: int,
) -> tuple[list[Importance], list[Importance]]:
    """Of each input column, and of each feature view as a whole; the greatest first.

    Columns of a view that say the same thing stand in for each other, so that each of them alone
    seems to matter little: the view as a whole tells.
    """
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.permutation(rows.height)[:ROWS])
    # Both classes: a metric of ranking needs them.
    if task != "regression" and (truth[chosen] == truth[chosen[0]]).all():
        chosen = np.arange(rows.height)
    kept, actual = rows[chosen], truth[chosen]
    views = served.inputs()
    # What a function takes is handed in as plain values, as a service does.
    taken = {name for function in served.functions for name in function.takes}
    columns = {name: _values(kept[name], plain=name in taken) for name in views}
    shuffles = [generator.permutation(len(chosen)) for _ in range(REPEATS)]
    sign = 1 if METRICS[task][metric] == "higher" else -1
    intact = score(task, actual, served.answer(columns), (metric,))[metric]

    def of(name: str, view: str, group: Sequence[str]) -> Importance:
        losses = []
        for shuffle in shuffles:
            moved = {column: _shuffled(columns[column], shuffle) for column in group}
            found = score(task, actual, served.answer(columns | moved), (metric,))[metric]
            losses.append(sign * (intact - found))
        low, high = min(losses), max(losses)
        return Importance(name=name, view=view, loss=sum(losses) / len(losses), low=low, high=high)

    groups: dict[str, list[str]] = {}
    for name, view in views.items():
        groups.setdefault(view, []).append(name)
    return (
        _ordered([of(name, view, [name]) for name, view in views.items()]),
        _ordered([of(view, view, names) for view, names in groups.items()]),
    )


def _values(column: pl.Series, *, plain: bool) -> Sequence | np.ndarray:
    if column.dtype.is_numeric() and not plain:
        return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return column.to_list()


def _shuffled(values: Sequence | np.ndarray, order: np.ndarray) -> Sequence | np.ndarray:
    return values[order] if isinstance(values, np.ndarray) else [values[i] for i in order]


def _ordered(found: list[Importance]) -> list[Importance]:
    return sorted(found, key=lambda each: (-each["loss"], each["name"]))
