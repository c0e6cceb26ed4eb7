"""The calibration of what was served, with the chance of the labels that came."""

from collections.abc import Iterator
from typing import Any

from mlplat_assets.assessment.calibration import calibration_table
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.monitoring.performance.objectives import share_of
from mlplat_assets.monitoring.performance.served import Series, outcomes


def calibration(series: Series, spec: ModelSpec) -> Iterator[dict[str, Any]]:
    """The bins of `calibration_table`, the observed share with Wilson's interval."""
    table = calibration_table(spec.task, *outcomes(series.labelled, spec.task))
    if table is None:
        return
    bins = zip(table["predicted"], table["observed"], table["rows"], strict=True)
    for place, (promised, observed, rows) in enumerate(bins):
        share = share_of(round(observed * rows), rows)
        yield {
            "bin": place,
            "rows": rows,
            "predicted": promised,
            "observed": observed,
            "low": share.low,
            "high": share.high,
        }
