"""Declared parts of what was answered: how good slices are, how evenly groups are treated."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from mlplat_assets.assessment.fairness import FairnessResult, judge_fairness
from mlplat_assets.assessment.slices import SliceResult, judge_slices
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.monitoring.performance.findings import Claim, Finding
from mlplat_assets.monitoring.performance.served import Series, outcomes
from mlplat_assets.statistics.intervals import Interval, Units, days_of

SERVED = "served"


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Slices and fairness of one series, as evaluation judges them on a holdout."""

    series: Series
    slices: list[SliceResult]
    fairness: list[FairnessResult]

    def findings(self) -> Iterator[Finding]:
        """What is found of each declared fairness."""
        for each in self.fairness:
            yield Finding(
                claim=Claim.FAIRNESS,
                subject=each["column"],
                verdict=each["verdict"],
                value=Interval(**each["gap"]) if each["gap"] else None,
                bound=each["limit"],
                reason=each["reason"],
            )


def judged_parts(series: Series, spec: ModelSpec) -> Parts:
    """Every slice by the primary metric, every fairness; labels must define the task's metrics."""
    labelled = series.labelled
    truth, predicted = outcomes(labelled, spec.task)
    units: Units = days_of(labelled["partition_day"].to_list())
    slices = [
        result
        for wanted in spec.slices
        for result in judge_slices(
            wanted,
            spec.task,
            spec.gates[0].metric,
            _column(labelled, wanted.column),
            truth,
            {SERVED: predicted},
            units,
            seed=spec.seed,
        )
    ]
    fairness = [
        judge_fairness(wanted, _column(labelled, wanted.column), truth, predicted, units)
        for wanted in spec.fairness
    ]
    return Parts(series=series, slices=slices, fairness=fairness)


def _column(rows: pl.DataFrame, column: str) -> pl.Series:
    return rows[f"by_{column}"]
