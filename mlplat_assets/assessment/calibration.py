"""Whether probabilities come true: what was predicted beside what was observed, bin by bin."""

from typing import TypedDict

import numpy as np
import numpy.typing as npt

from mlplat_assets.metrics import reliability
from mlplat_assets.model_spec import Task


class CalibrationTable(TypedDict):
    """Bins of equal mass, those of the lowest probabilities first.

    `predicted` is a bin's mean probability, `observed` the share of its `rows` where it came true.
    """

    predicted: list[float]
    observed: list[float]
    rows: list[int]


def calibration_table(
    task: Task, truth: npt.ArrayLike, predictions: npt.ArrayLike
) -> CalibrationTable | None:
    """The table of rows as `metrics.score` takes them; None of a regression, and of no rows.

    Of classes it is the decided one's probability, and whether it was right, as in `ece`.
    """
    actual, given = np.asarray(truth), np.asarray(predictions)
    if task == "regression" or not len(actual):
        return None
    if task == "multiclass":
        actual, given = given.argmax(axis=1) == actual, given.max(axis=1)
    predicted, observed, rows = reliability(actual.astype(np.float64), given.astype(np.float64))
    return {
        "predicted": predicted.tolist(),
        "observed": observed.tolist(),
        "rows": rows.tolist(),
    }
