"""A version is held to what its evaluation promised, no closer than two samples can tell."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlplat_assets.assessment.verdicts import Verdict
from mlplat_assets.model_spec import Gate, ModelSpec
from mlplat_assets.monitoring.performance.findings import Concept
from mlplat_assets.monitoring.performance.measured import Measured, measure
from mlplat_assets.monitoring.performance.promise import (
    apart,
    no_concept_drift,
    performs_as_promised,
)
from mlplat_assets.monitoring.performance.served import Series
from mlplat_assets.monitoring_spec import Monitoring
from mlplat_assets.statistics.intervals import Interval

BINARY = ModelSpec(
    task="binary",
    label="simulated.outcome:is_late",
    features=(),
    gates=(Gate(metric="auc"),),
    approvers=(),
)
REGRESSION = ModelSpec(
    task="regression",
    label="simulated.outcome:minutes",
    features=(),
    gates=(Gate(metric="rmse"),),
    approvers=(),
    monitoring=Monitoring(tolerance=0.5),
)


def measured(spec: ModelSpec, prediction: np.ndarray, label: np.ndarray | list) -> Measured:
    frame = pl.DataFrame(
        {"partition_day": date(2013, 1, 5), "prediction": prediction, "label": label},
        strict=False,
    )
    series = Series(day=date(2013, 1, 5), days=1, version=1, variant="champion", rows=frame)
    return measure(series, spec)


def probabilities(size: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    probability = generator.beta(1.2, 1.8, size)
    return probability, (generator.random(size) < probability).astype(float)


def evidence(**metrics: float) -> dict[str, Any]:
    ends = {name: {"estimate": v, "low": v - 0.01, "high": v + 0.01} for name, v in metrics.items()}
    return {"metrics": metrics, "intervals": {"candidate": ends}}


@pytest.mark.parametrize(
    ("promised", "verdict"),
    [
        (-0.05, Verdict.PASS),
        (0.02, Verdict.INCONCLUSIVE),
        (0.035, Verdict.INCONCLUSIVE),
        (0.1, Verdict.FAIL),
    ],
)
def test_a_promise_is_broken_where_the_whole_interval_is_beyond_the_tolerance(
    promised: float, verdict: Verdict
) -> None:
    found = measured(BINARY, *probabilities(3000))
    auc = found.values["auc"]
    finding = performs_as_promised(found, evidence(auc=auc + promised), BINARY)
    assert finding.verdict is verdict
    assert finding.bound == pytest.approx(auc + promised - 0.02)
    assert f"promised {auc + promised:.4g}" in finding.reason


def test_an_error_that_grows_breaks_a_promise_as_a_score_that_falls() -> None:
    generator = np.random.default_rng(4)
    label = generator.normal(size=2000)
    found = measured(REGRESSION, label + generator.normal(0, 3, 2000), label)
    worse = performs_as_promised(found, evidence(rmse=2.0), REGRESSION)
    assert (worse.verdict, worse.bound) == (Verdict.FAIL, 2.5)
    better = performs_as_promised(found, evidence(rmse=4.0), REGRESSION)
    assert better.verdict is Verdict.PASS


def test_a_regression_has_no_estimate_and_nothing_to_reconcile() -> None:
    label = np.arange(300.0)
    found = measured(REGRESSION, label, label)
    assert found.estimated == {}
    assert no_concept_drift(found, {}, REGRESSION) is None


def test_few_labels_tell_nothing() -> None:
    probability, truth = probabilities(3000)
    late = [*truth[:199].tolist(), *[None] * 2801]
    found = measured(BINARY, probability, late)
    promise = performs_as_promised(found, evidence(auc=0.99), BINARY)
    assert promise.verdict is Verdict.INCONCLUSIVE
    assert "199 labelled rows, fewer than 200" in promise.reason
    concept = no_concept_drift(found, {}, BINARY)
    assert concept is not None and concept.verdict is Concept.INCONCLUSIVE
    assert found.estimated["auc"].estimate > 0.5, "the estimate needs no label"


@pytest.mark.parametrize(("days", "tells"), [(4, False), (5, True)])
def test_fewer_than_five_days_of_several_tell_nothing(days: int, tells: bool) -> None:
    probability, truth = probabilities(1000)
    first = date(2013, 1, 5)
    frame = pl.DataFrame(
        {
            "partition_day": [first + timedelta(days=row % days) for row in range(1000)],
            "prediction": probability,
            "label": truth,
        }
    )
    week = Series(day=first + timedelta(days=6), days=7, version=1, variant="champion", rows=frame)
    found = measure(week, BINARY)
    promise = performs_as_promised(found, evidence(auc=0.6), BINARY)
    assert (promise.value is not None) is tells
    concept = no_concept_drift(found, {}, BINARY)
    assert concept is not None and (concept.value is not None) is tells
    assert ("labels of 4 days, fewer than 5" in promise.reason) is not tells


def test_labels_of_one_class_tell_nothing() -> None:
    probability, _ = probabilities(400)
    found = measured(BINARY, probability, np.zeros(400))
    assert found.values == {}
    finding = performs_as_promised(found, evidence(auc=0.7), BINARY)
    assert (finding.verdict, finding.value) == (Verdict.INCONCLUSIVE, None)


def test_the_miscalibration_that_a_version_was_registered_with_is_no_concept_drift() -> None:
    """Sharpened probabilities promise more than labels keep, on the holdout as in service."""
    probability, truth = probabilities(20_000)
    odds = 2 * np.log(probability / (1 - probability))
    sharp = 1 / (1 + np.exp(-odds))
    found = measured(BINARY, sharp, truth)
    unknown = no_concept_drift(found, {}, BINARY)
    assert unknown is not None and unknown.verdict is Concept.CONCEPT_DRIFT
    own = found.gaps["auc"].json()
    known = no_concept_drift(found, {"estimate_gaps": {"auc": own}}, BINARY)
    assert known is not None and known.verdict is Concept.AS_ESTIMATED
    assert "on its holdout" in known.reason


def test_two_independent_estimates_differ_with_both_their_errors() -> None:
    one = Interval(estimate=0.70, low=0.67, high=0.72)
    other = Interval(estimate=0.60, low=0.57, high=0.64)
    difference = apart(one, other)
    assert difference.estimate == pytest.approx(0.1)
    assert difference.low == pytest.approx(0.1 - 0.05)
    assert difference.high == pytest.approx(0.1 + np.hypot(0.02, 0.03))
