"""What teams write about a model: what it predicts, what it must prove, how it is kept.

One file per model, `models/catalog/<team>/<name>.py`; its path is its identity. It imports
the standard library and the other files of declarations (`spec` and the `*_spec` beside this).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from mlplat_assets.monitoring_spec import DriftPolicy, Monitoring
from mlplat_assets.retrain_spec import Retrain
from mlplat_assets.rollout_spec import Rollout
from mlplat_assets.search_spec import Search
from mlplat_assets.serving_spec import Serving
from mlplat_assets.spec import Field

Task = Literal["binary", "multiclass", "regression"]
Calibration = Literal["temperature", "isotonic", "none"]

# The metrics that evaluation computes for each task, and which way is better.
METRICS: Mapping[Task, Mapping[str, Literal["higher", "lower"]]] = {
    "binary": {
        "auc": "higher",
        "average_precision": "higher",
        "accuracy": "higher",
        "log_loss": "lower",
        "brier": "lower",
        "ece": "lower",
    },
    "multiclass": {
        "macro_auc": "higher",
        "accuracy": "higher",
        "macro_f1": "higher",
        "log_loss": "lower",
        "ece": "lower",
    },
    "regression": {"r2": "higher", "mae": "lower", "rmse": "lower"},
}


@dataclass(frozen=True, kw_only=True)
class TimeSplit:
    """Training, validation and holdout as consecutive spans of decision times, oldest first.

    The holdout is the most recent `holdout_days`, validation the `validation_days` before it,
    training the `train_days` before that (None: everything older).
    """

    train_days: int | None = None
    validation_days: int = 30
    holdout_days: int = 30


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A bound that a candidate must meet on the holdout before it may be registered.

    `floor` is the worst acceptable value of the metric, held against the value measured.
    `margin` is how much worse than the champion the candidate may be, held against the 95%
    interval of their difference on the same rows: PASS where its worse end is within the margin,
    FAIL where its better end is not, else INCONCLUSIVE, which is no pass. 0 asks for proof that
    it is level or better, None does not compare. The first gate's metric is the primary one: on
    it, a candidate that is surely worse than the champion fails whatever the margin.
    """

    metric: str
    floor: float | None = None
    margin: float | None = None


@dataclass(frozen=True, kw_only=True)
class Slice:
    """A part of the holdout that is looked at on its own, by the primary metric.

    `column` is an input, an entity or a context field; each of its values is a slice. A number
    needs `edges`, which cut it: (10, 16) gives below 10, 10 to below 16, and from 16. A slice of
    fewer than `minimum_rows` is told as too small. `margin` guards every other slice against the
    champion as a Gate does; None only reports.
    """

    column: str
    edges: tuple[float, ...] = ()
    minimum_rows: int = 200
    margin: float | None = None


@dataclass(frozen=True, kw_only=True)
class Fairness:
    """How far the groups of a column may differ in what a binary model decides about them.

    `demographic_parity` compares the share of rows decided positive, `equal_opportunity` that
    share among truly positive rows. The greatest gap between two groups must be below `limit`
    with its whole 95% interval. Groups with fewer than `minimum_rows` such rows are not judged.
    A row is decided positive from the probability `threshold` on; None: from the one at which as
    many rows are positive as truly were.
    """

    column: str
    metric: Literal["demographic_parity", "equal_opportunity"] = "demographic_parity"
    limit: float = 0.1
    minimum_rows: int = 200
    threshold: float | None = None


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What the packaged model may take: p99 of one prediction on one thread, size of its folder.

    None: measured and reported, not held.
    """

    latency_ms: float | None = None
    megabytes: float | None = None


@dataclass(frozen=True, kw_only=True)
class Approval:
    """How many of the approvers must approve a version, and for how long one approval stands.

    The author is never one of them. Newer evidence voids what was approved before.
    """

    required: int = 1
    valid: timedelta = timedelta(days=14)


@dataclass(frozen=True, kw_only=True)
class Int8:
    """A form with 8-bit weights, kept if the primary metric surely loses at most `tolerance`.

    The worse 95% end on validation counts. One that `serves`, if kept, is evaluated and answers.
    """

    tolerance: float = 0.002
    serves: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One model of one team: what it predicts, from what, and what it must prove.

    `label` is `team.table:column` of a label table (see `Label`), which also gives the unit id,
    the entity keys and the decision times.
    `features` are references `team.view` (all its features), `team.view:feature` or, by its
    name, `team.service` (all features of a feature service).
    `entity_features` are the entity keys that are themselves inputs of the model.
    `trainer` is the import path `package.module:Class` of a LightningModule, resolved only when
    training runs; docs/custom_trainer.md is its contract.
    `auxiliary` are further columns of the label table that are numbers, such as the minutes behind
    a yes or no: the trainer learns them beside the label, and they are never inputs.
    `calibration` of a classifier's probabilities is fitted on the earlier half of validation:
    `temperature` keeps every ranking; `isotonic` is for binary models with many rows. A regression
    has none.
    """

    task: Task
    label: str
    features: tuple[str, ...]
    gates: tuple[Gate, ...]
    approvers: tuple[str, ...]
    approval: Approval = Approval()
    entity_features: tuple[str, ...] = ()
    context: tuple[Field, ...] = ()
    auxiliary: tuple[str, ...] = ()
    trainer: str = "mlplat_assets.models.trainers.tabular:TabularModule"
    hyperparameters: Mapping[str, float | int | str | bool] = field(default_factory=dict)
    search: Search | None = None
    calibration: Calibration = "temperature"
    split: TimeSplit = TimeSplit()
    slices: tuple[Slice, ...] = ()
    fairness: tuple[Fairness, ...] = ()
    budget: Budget = Budget()
    drift: DriftPolicy = field(default_factory=DriftPolicy)
    monitoring: Monitoring = field(default_factory=Monitoring)
    retrain: Retrain = field(default_factory=Retrain)
    rollout: Rollout | None = None
    int8: Int8 | None = None
    serving: Serving = field(default_factory=Serving)
    seed: int = 20130101
    owner: str | None = None
