"""Whether probabilities came true: what was predicted beside what was observed, bin by bin."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mlplat_assets.metrics import reliability
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.monitoring.performance.objectives import share_of
from mlplat_assets.monitoring.performance.served import Series, outcomes


def calibration(series: Series, spec: ModelSpec) -> Iterator[dict[str, Any]]:
    """Bins of equal mass, the observed share with Wilson's interval; none of a regression.

    Of classes it is the decided one's probability, and whether it was right.
    """
    labelled = series.labelled
    if spec.task == "regression" or not labelled.height:
        return
    truth, predicted = outcomes(labelled, spec.task)
    if spec.task == "multiclass":
        truth = (predicted.argmax(axis=1) == truth).astype(np.float64)
        predicted = predicted.max(axis=1)
    bins = zip(*reliability(truth.astype(np.float64), predicted), strict=True)
    for place, (promised, observed, rows) in enumerate(bins):
        share = share_of(round(observed * rows), int(rows))
        yield {
            "bin": place,
            "rows": int(rows),
            "predicted": float(promised),
            "observed": float(observed),
            "low": share.low,
            "high": share.high,
        }
