"""Metrics of what was answered: realised once labels are known, estimated before."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlplat_assets.assessment.comparison import compare
from mlplat_assets.assessment.estimation import estimate, gap
from mlplat_assets.metrics import score
from mlplat_assets.model_spec import METRICS, ModelSpec
from mlplat_assets.monitoring.performance.served import Series, outcomes, probabilities
from mlplat_assets.statistics.intervals import Interval, days_of

# Rows beyond which only the primary metric of a series gets an interval: 500 resamples of every
# metric take 0.9 s for the 10,000 rows of one day, and grow with them; DeLong takes 0.01 s.
INTERVAL_ROWS = 20_000


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One series in numbers.

    Attributes:
        series: Who answered, over which days.
        values: Metrics of the labelled rows; empty where too little is known to define them, as
            where all labels are of one class.
        realised: The same with 95% intervals; only the primary one of very many rows.
        estimated: Metrics of all rows by their probabilities (CBPE), labels unseen; they assume no
            concept drift. Empty for a regression, whose predictions say nothing of their errors.
        gaps: Realised minus estimated on the labelled rows, where both are known.
    """

    series: Series
    values: Mapping[str, float]
    realised: Mapping[str, Interval]
    estimated: Mapping[str, Interval]
    gaps: Mapping[str, Interval]


def measure(series: Series, spec: ModelSpec) -> Measured:
    """Realise, estimate, and reconcile both on the rows whose label came."""
    task, labelled = spec.task, series.labelled
    every = probabilities(series.rows, task)
    promised = {} if every is None else estimate(task, every)
    estimated = {name: each.interval() for name, each in promised.items()}
    if not defined(series, spec):
        return Measured(series=series, values={}, realised={}, estimated=estimated, gaps={})
    truth, predicted = outcomes(labelled, task)
    units = days_of(labelled["partition_day"].to_list())
    wanted = tuple(METRICS[task]) if len(truth) <= INTERVAL_ROWS else (spec.gates[0].metric,)
    found = compare(task, truth, {"served": predicted}, units, seed=spec.seed, only=wanted)
    realised = found.metrics["served"]
    values = score(task, truth, predicted)
    return Measured(
        series=series,
        values=values,
        realised=realised,
        estimated=estimated,
        gaps={
            name: gap(values[name], each, truth, units)
            for name, each in estimate(task, predicted).items()
        },
    )


def defined(series: Series, spec: ModelSpec) -> bool:
    """Whether the labels that are known define every metric of the task."""
    known = series.labelled["label"]
    return known.n_unique() > 1 or (spec.task == "regression" and len(known) > 1)
