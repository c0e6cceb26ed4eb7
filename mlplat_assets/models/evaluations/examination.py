"""Everything that is measured of a candidate on its holdout. Judges by what the spec declares."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from mlplat_assets.assessment.answers import AnswersApart, answers_apart
from mlplat_assets.assessment.comparison import Comparison, compare
from mlplat_assets.assessment.estimation import estimate, gap
from mlplat_assets.assessment.fairness import FairnessResult, judge_fairness
from mlplat_assets.assessment.slices import SliceResult, judge_slices
from mlplat_assets.metrics import calibration_noise
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.evaluations.budget import (
    BudgetResult,
    Footprint,
    footprint,
    judge_budget,
)
from mlplat_assets.models.evaluations.importance import Importance, importances
from mlplat_assets.models.evaluations.served import Served
from mlplat_assets.models.gates import Judged, judge
from mlplat_assets.statistics.intervals import Interval, Units, days_of


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What a holdout says of a candidate.

    `predictions` are of the same rows as `truth`, by predictor, the candidate first;
    `calibration_noise` is the calibration error that chance alone shows, None for a regression.
    `estimate_gaps` is how much each metric is above what the candidate's probabilities promised:
    its own miscalibration, which an estimate in service is corrected by. `answers_apart` is how far
    the candidate's answers are from the champion's; None without a champion.
    """

    truth: np.ndarray
    predictions: Mapping[str, np.ndarray]
    comparison: Comparison
    gates: Judged
    slices: list[SliceResult]
    fairness: list[FairnessResult]
    inputs: list[Importance]
    views: list[Importance]
    footprint: Footprint
    budget: list[BudgetResult]
    calibration_noise: float | None
    estimate_gaps: Mapping[str, Interval]
    answers_apart: AnswersApart | None

    @property
    def reasons(self) -> list[str]:
        """Why the candidate is refused, a sentence each; empty where it passed."""
        parts = (self.slices, self.fairness, self.budget)
        return self.gates.reasons + [
            result["reason"] for part in parts for result in part if not result["passed"]
        ]


def examine(
    spec: ModelSpec,
    holdout: pl.DataFrame,
    truth: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    served: Served,
) -> Examination:
    """Measure and judge; `predictions` are named candidate, champion (if there is one), baseline.

    The champion predicted the very rows that the candidate did, and so did the baseline.

    Raises:
        ValueError: Rows differ, or something that a gate names is undefined on the holdout.
    """
    units = days_of(holdout["event_timestamp"].dt.date().to_list())
    found = compare(spec.task, truth, predictions, units, seed=spec.seed)
    primary = spec.gates[0].metric
    columns, views = importances(served, holdout, truth, spec.task, primary, seed=spec.seed)
    taken = footprint(served, holdout)
    return Examination(
        truth=truth,
        predictions=predictions,
        comparison=found,
        gates=judge(
            spec.gates,
            spec.task,
            found.metrics["candidate"],
            found.metrics.get("champion"),
            found.differences.get("champion"),
        ),
        slices=_slices(spec, holdout, truth, predictions, units),
        fairness=[
            judge_fairness(each, holdout[each.column], truth, predictions["candidate"], units)
            for each in spec.fairness
        ],
        inputs=columns,
        views=views,
        footprint=taken,
        budget=judge_budget(spec.budget, taken),
        calibration_noise=_noise(spec, truth, predictions["candidate"]),
        estimate_gaps=_gaps(spec, truth, predictions["candidate"], found, units),
        answers_apart=_apart(holdout, predictions),
    )


def _slices(
    spec: ModelSpec,
    holdout: pl.DataFrame,
    truth: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    units: Units,
) -> list[SliceResult]:
    judged = {name: each for name, each in predictions.items() if name != "baseline"}
    return [
        result
        for wanted in spec.slices
        for result in judge_slices(
            wanted,
            spec.task,
            spec.gates[0].metric,
            holdout[wanted.column],
            truth,
            judged,
            units,
            seed=spec.seed,
        )
    ]


def _gaps(
    spec: ModelSpec,
    truth: np.ndarray,
    predicted: np.ndarray,
    found: Comparison,
    units: Units,
) -> dict[str, Interval]:
    measured = found.metrics["candidate"]
    return {
        name: gap(measured[name].estimate, each, truth, units)
        for name, each in estimate(spec.task, predicted).items()
    }


def _apart(holdout: pl.DataFrame, predictions: Mapping[str, np.ndarray]) -> AnswersApart | None:
    if "champion" not in predictions:
        return None
    times = holdout["event_timestamp"].to_numpy()
    return answers_apart(predictions["candidate"], predictions["champion"], times)


def _noise(spec: ModelSpec, truth: np.ndarray, predicted: np.ndarray) -> float | None:
    match spec.task:
        case "binary":
            return calibration_noise(truth, predicted)
        case "multiclass":
            right = predicted.argmax(axis=1) == truth
            return calibration_noise(right, predicted.max(axis=1))
        case "regression":
            return None
