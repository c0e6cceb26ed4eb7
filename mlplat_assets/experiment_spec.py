"""What teams write about an experiment: whom it compares, what decides it, what it must not cost.

One file per experiment, `experiments/catalog/<team>/<name>.py`, that assigns `EXPERIMENT`; its path
is its identity. Imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

Better = Literal["higher", "lower"]

# What is measured of a prediction, alone or with its label, and which way is better; None where
# that is for the team to say. Of a binary model, the squared error is the Brier score.
MEASURES: Mapping[str, Better | None] = {
    "absolute_error": "lower",
    "squared_error": "lower",
    "log_loss": "lower",
    "correct": "higher",
    "prediction": None,
    "latency_ms": "lower",
}
# Those that need the label, and so come late.
LABELLED = ("absolute_error", "squared_error", "log_loss", "correct")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A mean over units; a unit with several predictions counts once, with the mean of its own.

    `measure` is one of `MEASURES`, or `label:column` of the model's label table: a number or flag
    that the world gave back.
    """

    measure: str
    better: Better


@dataclass(frozen=True, kw_only=True)
class Guardrail:
    """A metric that must not become worse by more than `margin`, in its units (non-inferiority)."""

    metric: Metric
    margin: float


@dataclass(frozen=True, kw_only=True)
class PrePeriod:
    """The primary metric of the same unit in the `days` before the first day, for CUPED."""

    days: int = 28


@dataclass(frozen=True, kw_only=True)
class Input:
    """A numeric input of the model, by its column, as it was when the prediction was made.

    For CUPED where units come once; no arm can change it.
    """

    column: str


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Whether another version does better for the units that it answers.

    The unit of randomisation is the model's unit id, whose bucket of the traffic table says which
    arm it has; arms and their shares are set there (`mlplat traffic arm`).
    `model` is `team.name`; `arms` are variants of its traffic table, compared with `control` each.
    `first_day` and `last_day` are UTC days of decisions, both inclusive.
    `effect` is the least difference of the primary metric worth finding, in its units, `power` the
    chance to find it by the last day, `alpha` that of a false find over all looks together.
    `holdout` percent of the units, the highest buckets, stay with the control for the whole
    experiment, however far an arm is raised.
    `thompson` suggests shares by top-two Thompson sampling; a person or a rollout sets them.
    """

    model: str
    hypothesis: str
    arms: tuple[str, ...]
    first_day: date
    last_day: date
    primary: Metric
    effect: float
    guardrails: tuple[Guardrail, ...] = ()
    secondary: tuple[Metric, ...] = ()
    control: str = "champion"
    power: float = 0.8
    alpha: float = 0.05
    holdout: float = 0.0
    covariate: PrePeriod | Input | None = None
    thompson: bool = False
    owner: str | None = None
