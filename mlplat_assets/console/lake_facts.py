"""What the lake tells of one model: drift, performance, experiments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlplat_assets.commands.stores import NotThereYet
from mlplat_assets.console.desk import Desk
from mlplat_assets.console.drift_tables import DayVerdict, newest_verdicts
from mlplat_assets.console.experiment_tables import ExperimentResult, experiment_results
from mlplat_assets.console.metric_chart import Chart, metric_chart
from mlplat_assets.console.performance_tables import (
    champion_days,
    champion_findings,
    performance_days,
)

_DAYS = 28


@dataclass(frozen=True, kw_only=True)
class LakeFacts:
    """Empty where nothing was written yet.

    Attributes:
        verdict: Of drift, on the newest day.
        performance: Realised metrics of single days.
        findings: What labels, probabilities and answers said of the champion.
        chart: Its primary metric by day; None of a model that is declared no more.
        results: Of the experiments on the model that were analysed, by name.
    """

    verdict: DayVerdict | None = None
    performance: Sequence[Mapping[str, Any]] = ()
    findings: Sequence[Mapping[str, Any]] = ()
    chart: Chart | None = None
    results: Mapping[str, ExperimentResult]


def lake_facts(desk: Desk, model: str) -> LakeFacts:
    """The facts of now.

    Raises:
        StoreAway: The lake does not answer.
    """
    try:
        with desk.stores.lake() as lake:
            declared = desk.declared.models.get(model)
            metric = declared.spec.gates[0].metric if declared else None
            days = champion_days(lake, model, metric, _DAYS) if metric else []
            return LakeFacts(
                verdict=newest_verdicts(lake, [model]).get(model),
                performance=performance_days(lake, model, _DAYS),
                findings=champion_findings(lake, model),
                chart=metric_chart(metric, days) if metric else None,
                results={
                    each.name: each for each in experiment_results(lake, experiments(desk, model))
                },
            )
    except NotThereYet:
        return LakeFacts(results={})


def experiments(desk: Desk, model: str) -> list[str]:
    """The names of the experiments that are declared on a model."""
    declared = desk.declared.experiments.items()
    return sorted(name for name, each in declared if each.spec.model == model)
