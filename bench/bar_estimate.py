"""The rows of the statistical bar about performance: estimated before labels, judged after."""

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from mlplat_assets.assessment.estimation import estimate
from mlplat_assets.metrics import score
from mlplat_assets.model_spec import Gate, ModelSpec
from mlplat_assets.monitoring.performance.findings import Concept
from mlplat_assets.monitoring.performance.measured import measure
from mlplat_assets.monitoring.performance.promise import no_concept_drift
from mlplat_assets.monitoring.performance.served import series
from mlplat_assets.statistics.intervals import Interval

SPEC = ModelSpec(
    task="binary",
    label="simulated.outcome:is_late",
    features=(),
    gates=(Gate(metric="auc"),),
    approvers=("dana@flights.example.com",),
)
DAY = date(2013, 1, 7)
# Inputs: five, of which the last means the contrary once the concept has drifted.
WEIGHTS = np.array([1.0, -0.8, 0.6, 0.4, 0.9])
DRIFTED = WEIGHTS * [1, 1, 1, 1, -1]


def rows() -> list[dict[str, Any]]:
    """Each claim with its bar, what was measured, and whether it holds."""
    return [*shifted(), *drifted(), undrifted()]


def shifted() -> list[dict[str, Any]]:
    """The estimate beside the labels of 40,000 rows from elsewhere in the inputs' space."""
    generator = np.random.default_rng(61)
    model = trained(generator)
    found = []
    for shift in (0.0, 0.5, 1.0):
        inputs = drawn(generator, 40_000, shift)
        predicted = model.predict_proba(inputs)[:, 1]
        truth = labels(generator, inputs, WEIGHTS)
        realised = score("binary", truth, predicted, ("accuracy", "auc"))
        estimated = estimate("binary", predicted)
        for metric, value in realised.items():
            error = abs(estimated[metric].value - value)
            found.append(
                {
                    "claim": f"CBPE's {metric} under a covariate shift of {shift:g} SD",
                    "bar": "within 0.01",
                    "measured": f"{error:.4f} ({estimated[metric].value:.3f} for {value:.3f})",
                    "holds": bool(error <= 0.01),
                }
            )
    return found


def drifted(weeks: int = 60) -> list[dict[str, Any]]:
    """Weeks in which an input comes to mean the contrary: the labels tell, not the estimate."""
    generator = np.random.default_rng(62)
    model = trained(generator)
    caught, moved, drops = 0, [], []
    for _ in range(weeks):
        inputs = drawn(generator, 7 * 300, 0.0)
        predicted = model.predict_proba(inputs)[:, 1]
        verdict, realised, estimated = judged(predicted, labels(generator, inputs, DRIFTED))
        caught += verdict is Concept.CONCEPT_DRIFT
        _, before, usual = judged(predicted, labels(generator, inputs, WEIGHTS))
        moved.append(abs(estimated - usual))
        drops.append(before - realised)
    return [
        {
            "claim": "Concept drift, once the labels of 7 days x 300 rows landed",
            "bar": "caught in at least 99% of weeks",
            "measured": f"{caught / weeks:.1%}, where AUC lost {np.mean(drops):.3f}",
            "holds": caught >= 0.99 * weeks,
        },
        {
            "claim": "CBPE under the same concept drift",
            "bar": "does not move, and says that it assumes none",
            "measured": f"moved by {max(moved):.4f}",
            "holds": max(moved) == 0.0,
        },
    ]


def undrifted(weeks: int = 200) -> dict[str, Any]:
    """Weeks of 7 days x 300 rows in which nothing changed."""
    generator = np.random.default_rng(63)
    model = trained(generator)
    false = 0
    for _ in range(weeks):
        inputs = drawn(generator, 7 * 300, 0.0)
        predicted = model.predict_proba(inputs)[:, 1]
        verdict, _, _ = judged(predicted, labels(generator, inputs, WEIGHTS))
        false += verdict is Concept.CONCEPT_DRIFT
    return {
        "claim": "Concept drift where there is none, 7 days x 300 rows",
        "bar": "at most 5% of weeks",
        "measured": f"{false / weeks:.2%}",
        "holds": false <= 0.05 * weeks,
    }


def judged(predicted: np.ndarray, truth: np.ndarray) -> tuple[Concept, float, float]:
    """The verdict on a week, its realised AUC, and what was estimated of it before."""
    each = len(truth) // 7
    start = datetime.combine(DAY, datetime.min.time()) - timedelta(days=6)
    at = [start + timedelta(days=place) for place in np.repeat(np.arange(7), each).tolist()]
    frame = pl.DataFrame(
        {
            "partition_day": [moment.date() for moment in at],
            "event_timestamp": at,
            "version": 1,
            "variant": "champion",
            "prediction": predicted,
            "label": truth,
        }
    )
    (week,) = series(frame, DAY, 7)
    found = measure(week, SPEC)
    verdict = no_concept_drift(found, {}, SPEC)
    assert verdict is not None and isinstance(verdict.verdict, Concept)  # it is no regression
    estimated: Interval = found.estimated["auc"]
    return verdict.verdict, found.values["auc"], estimated.estimate


def trained(generator: np.random.Generator) -> Any:  # noqa: ANN401  scikit-learn is untyped
    """A logistic regression of 20,000 rows, whose probabilities come true."""
    from sklearn.linear_model import LogisticRegression

    inputs = drawn(generator, 20_000, 0.0)
    return LogisticRegression().fit(inputs, labels(generator, inputs, WEIGHTS))


def drawn(generator: np.random.Generator, size: int, shift: float) -> np.ndarray:
    """Inputs, shifted by so many standard deviations along the first two."""
    return generator.normal(size=(size, 5)) + np.array([shift, -shift, 0, 0, 0])


def labels(generator: np.random.Generator, inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Outcomes of inputs with these log odds."""
    chance = 1 / (1 + np.exp(-(inputs @ weights - 0.5)))
    return (generator.random(len(inputs)) < chance).astype(np.float64)
