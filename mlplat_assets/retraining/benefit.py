"""Would retraining help: a cheap model trained afresh, beside the champion on the newest labels."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from mlplat_assets.assessment.comparison import compare
from mlplat_assets.discovery import Declared
from mlplat_assets.keys import table
from mlplat_assets.model_spec import METRICS, ModelSpec, TimeSplit
from mlplat_assets.models.baseline import fit_baseline
from mlplat_assets.models.evaluations.classes import aligned, classes_of, truth_of
from mlplat_assets.models.inputs import ModelInputs
from mlplat_assets.models.training_sets import LABEL, UNIT, build
from mlplat_assets.retraining.benefit_verdict import Benefit, benefit_of, unknown
from mlplat_assets.statistics.intervals import Interval, days_of
from resources.lake import Lake

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The champion is judged on its last labelled days; the baseline learns from those before.
JUDGED_DAYS = 7
STOPPING_DAYS = 14
LEARNED_DAYS = 60
# Below, the verdict is INCONCLUSIVE, as for drift.
MINIMUM_ROWS = 200
# The newest of them: boosted trees on 50,000 rows of 30 columns take 3 s on one core.
LEARNED_ROWS = 50_000


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What the baseline learns from, stops by, and is judged on with the champion's answers."""

    learned: pl.DataFrame
    stopping: pl.DataFrame
    judged: pl.DataFrame


def would_help(
    lake: Lake,
    model: Declared[ModelSpec],
    inputs: ModelInputs,
    version: int,
    evidence: Mapping[str, Any],
) -> Benefit:
    """Whether a model that learns from the recent past beats what the champion answered.

    The champion's network may be better than boosted trees on any data; what its evaluation says
    it was ahead of its own baseline is credited to the fresh one, so that only staleness counts.

    Args:
        lake: Where predictions, labels and features are.
        model: The model.
        inputs: Its columns.
        version: The version in production.
        evidence: Of its evaluation.
    """
    answered = answers(lake, model, inputs, version)
    if answered.height < MINIMUM_ROWS:
        told = f"version {version} has {answered.height} labelled answers in its last days"
        return unknown(f"{told}, {MINIMUM_ROWS} are needed to compare", answered.height)
    rows = rows_of(lake, model, inputs, answered)
    if problem := _problem(rows, model.spec):
        return unknown(problem, rows.judged.height)
    gain = gain_of(rows, model.spec, inputs, lead(model.spec, evidence))
    first, last = answered["partition_day"].min(), answered["partition_day"].max()
    return benefit_of(model.spec.gates[0].metric, gain, rows.judged.height, f"{first} to {last}")


def answers(
    lake: Lake, model: Declared[ModelSpec], inputs: ModelInputs, version: int
) -> pl.DataFrame:
    """The champion's last answer to each unit whose label is known, of its last labelled days."""
    served = table("predictions", model.team, model.name)
    labels = table("labels", inputs.label_table.team, inputs.label_table.name)
    if not lake.has(served) or not lake.has(labels):
        return pl.DataFrame({"partition_day": []})
    answer = "p.probabilities" if model.spec.task == "multiclass" else "p.prediction"
    found = pl.DataFrame(
        lake.read(
            f"""select p.unit_id, p.partition_day, {answer} as answer
                from {served} p join {labels} l on p.unit_id = l.{inputs.label_table.spec.unit}
                where p.variant = 'champion' and p.version = ? and l.{inputs.label} is not null
                qualify row_number() over (partition by p.unit_id order by p.served_at desc) = 1
                order by p.partition_day, p.unit_id""",
            [version],
        )
    )
    days = pl.col("partition_day")
    return found.filter(days > days.max() - timedelta(days=JUDGED_DAYS))


def rows_of(
    lake: Lake, model: Declared[ModelSpec], inputs: ModelInputs, answered: pl.DataFrame
) -> Rows:
    """The rows that a retraining now would see, cut by time before the judged days."""
    first = answered["partition_day"].min()
    judged_from = datetime.combine(first, datetime.min.time())  # type: ignore[arg-type]
    stopping_from = judged_from - timedelta(days=STOPPING_DAYS)
    # As long a reach as the declared one would be read for nothing.
    span = TimeSplit(train_days=LEARNED_DAYS, validation_days=STOPPING_DAYS, holdout_days=30)
    recent = replace(model, spec=replace(model.spec, split=span))
    found = pl.DataFrame(build(recent, inputs, lake).rows).with_columns(
        pl.col(UNIT).cast(pl.String), pl.col("event_timestamp").dt.replace_time_zone(None)
    )
    answer = answered.with_columns(pl.col("unit_id").cast(pl.String).alias(UNIT))
    time = pl.col("event_timestamp")
    return Rows(
        learned=found.filter(time < stopping_from).sort("event_timestamp").tail(LEARNED_ROWS),
        stopping=found.filter((time >= stopping_from) & (time < judged_from)),
        judged=found.join(answer, on=UNIT, how="inner", maintain_order="left"),
    )


def gain_of(rows: Rows, spec: ModelSpec, inputs: ModelInputs, credit: float) -> Interval:
    """How much better the fresh baseline is than the champion's answers, plus the credit."""
    metric = spec.gates[0].metric
    fresh = fit_baseline(
        rows.learned,
        rows.stopping,
        rows.judged,
        label=LABEL,
        task=spec.task,
        numeric=inputs.numeric,
        categorical=inputs.categorical,
        seed=spec.seed,
    )
    champion, own = _champion(rows.judged["answer"], spec)
    label = rows.judged[LABEL]
    classes = classes_of(own, label, spec.task)
    found = compare(
        spec.task,
        truth_of(label, classes),
        {
            "fresh": aligned(fresh.predictions, fresh.classes, classes),
            "champion": aligned(champion, own, classes),
        },
        days_of(rows.judged["partition_day"].to_list()),
        seed=spec.seed,
        only=(metric,),
    ).differences["champion"][metric]
    higher = METRICS[spec.task][metric] == "higher"
    ends = (found.low, found.high) if higher else (-found.high, -found.low)
    estimate = found.estimate if higher else -found.estimate
    return Interval(estimate=estimate + credit, low=ends[0] + credit, high=ends[1] + credit)


def lead(spec: ModelSpec, evidence: Mapping[str, Any]) -> float:
    """How far the champion was ahead of its own baseline when it was evaluated; 0 if behind."""
    metric = spec.gates[0].metric
    own = (evidence.get("metrics") or {}).get(metric)
    baseline = (evidence.get("baseline_metrics") or {}).get(metric)
    if own is None or baseline is None:
        return 0.0
    ahead = own - baseline if METRICS[spec.task][metric] == "higher" else baseline - own
    return max(0.0, ahead)


def _champion(answer: pl.Series, spec: ModelSpec) -> tuple["NDArray", tuple[str, ...]]:
    """The answers [n], or [n, K] with the names of the classes."""
    import numpy as np

    if spec.task != "multiclass":
        return answer.cast(pl.Float64).to_numpy(), ()
    known = [json.loads(text) for text in answer]
    own = tuple(sorted({name for each in known for name in each}))
    return np.array([[each.get(name, 0.0) for name in own] for each in known]), own


def _problem(rows: Rows, spec: ModelSpec) -> str | None:
    """Why nothing can be compared; None where it can."""
    for name in ("learned", "stopping", "judged"):
        part: pl.DataFrame = getattr(rows, name)
        if part.height < MINIMUM_ROWS:
            return f"{part.height} labelled rows are {name}, {MINIMUM_ROWS} are needed to compare"
        if spec.task != "regression" and part[LABEL].n_unique() < 2:
            return f"all {part.height} {name} rows have the same label; nothing to compare"
    return None
