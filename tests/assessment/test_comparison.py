"""A challenger is judged on the champion's rows, and errs as often as it says."""

import numpy as np
import pytest

from mlplat_assets.assessment.comparison import compare
from mlplat_assets.assessment.verdicts import Verdict, against_champion, below_limit
from mlplat_assets.metrics import score
from mlplat_assets.model_spec import METRICS, Task
from mlplat_assets.statistics.intervals import Interval, Units, rows
from tests.statistics.simulated import two_predictors

GENERATOR = np.random.default_rng(0)
DAYS = Units(codes=np.arange(900) % 15, count=15, kind="day")


def holdout(task: Task) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, a predictor, and a noisier one."""
    if task == "regression":
        truth = GENERATOR.normal(size=900)
        return truth, truth + GENERATOR.normal(size=900), truth + GENERATOR.normal(size=900) * 1.2
    if task == "binary":
        first, second = GENERATOR.random(900), GENERATOR.random(900)
        return (GENERATOR.random(900) < first).astype(float), first, (first + second) / 2
    truth = GENERATOR.integers(0, 3, 900).astype(float)
    odds = GENERATOR.random((2, 900, 3)) + np.eye(3)[truth.astype(int)] * [[[0.8]], [[0.4]]]
    first, second = odds / odds.sum(axis=2, keepdims=True)
    return truth, first, second


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_metric_has_an_interval_around_its_value_and_a_paired_difference(task: Task) -> None:
    truth, first, second = holdout(task)
    found = compare(task, truth, {"candidate": first, "champion": second}, DAYS, seed=1)
    mine, theirs = score(task, truth, first), score(task, truth, second)
    assert list(found.metrics["candidate"]) == list(METRICS[task]) == list(mine)
    for name, interval in found.metrics["candidate"].items():
        assert interval.estimate == pytest.approx(mine[name])
        assert interval.low < interval.estimate < interval.high
        difference = found.differences["champion"][name]
        assert difference.estimate == pytest.approx(mine[name] - theirs[name])
        assert difference.low < difference.estimate < difference.high
    assert found.method["unit"] == "day" and found.method["units"] == 15


def test_a_share_of_the_metrics_is_as_when_all_are_asked_for() -> None:
    truth, first, second = holdout("binary")
    given = {"candidate": first, "champion": second}
    every = compare("binary", truth, given, DAYS, seed=1)
    some = compare("binary", truth, given, DAYS, seed=1, only=("ece", "auc"))
    assert list(some.metrics["candidate"]) == ["ece", "auc"]
    assert some.differences["champion"]["ece"] == every.differences["champion"]["ece"]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_identical_predictions_differ_by_nothing_and_pass_without_any_margin(task: Task) -> None:
    truth, first, _ = holdout(task)
    found = compare(task, truth, {"candidate": first, "champion": first.copy()}, DAYS, seed=1)
    for name, difference in found.differences["champion"].items():
        assert (difference.low, difference.estimate, difference.high) == (0, 0, 0)
        higher = METRICS[task][name] == "higher"
        judged = against_champion(name, difference, 0.0, higher_is_better=higher, primary=True)
        assert judged.verdict is Verdict.PASS


def test_other_rows_than_those_judged_are_refused_by_name() -> None:
    truth, first, second = holdout("binary")
    with pytest.raises(ValueError, match="same 900 rows; champion has another number"):
        compare("binary", truth, {"candidate": first, "champion": second[1:]}, DAYS, seed=1)
    with pytest.raises(ValueError, match="units has another number"):
        compare("binary", truth, {"candidate": first}, rows(899), seed=1)


def test_a_pairing_tells_apart_what_two_intervals_could_not() -> None:
    truth, first, _ = holdout("regression")
    worse = first + np.where(first > truth, 0.02, -0.02)
    found = compare("regression", truth, {"a": first, "b": worse}, DAYS, seed=1)
    own, other = found.metrics["a"]["mae"], found.metrics["b"]["mae"]
    assert own.high > other.low
    assert found.differences["b"]["mae"].high < 0


@pytest.mark.parametrize("metric", ["auc", "brier"])
def test_a_candidate_worse_by_the_margin_passes_at_most_once_in_forty(metric: str) -> None:
    """One test at 2.5%: whoever is worse by just the margin must not be called non-inferior."""
    generator = np.random.default_rng(7)
    # The long-run difference, which is the margin then.
    verdicts = []
    endless = two_predictors(generator, size=400_000, gap=0.03)
    loss = _difference(endless, metric)
    for _ in range(300):
        found = two_predictors(generator, size=300, gap=0.03)
        difference = _compared(found, metric)
        # The better predictor is the champion here.
        verdicts.append(
            against_champion(
                metric, difference, abs(loss), higher_is_better=metric == "auc"
            ).verdict
        )
    share = verdicts.count(Verdict.PASS) / 300
    assert share <= 0.05
    assert verdicts.count(Verdict.INCONCLUSIVE) > 250, "and mostly one cannot tell"


def test_a_level_candidate_passes_a_margin_of_four_errors_and_few_rows_tell_nothing() -> None:
    generator = np.random.default_rng(8)
    many, few = [], []
    for _ in range(100):
        for size, verdicts in ((2000, many), (60, few)):
            difference = _compared(two_predictors(generator, size=size), "auc")
            judged = against_champion("auc", difference, 0.05, higher_is_better=True)
            verdicts.append(judged.verdict)
    assert many.count(Verdict.PASS) >= 95
    assert few.count(Verdict.INCONCLUSIVE) >= 80
    assert few.count(Verdict.PASS) <= 8


def test_sure_losses_fail_even_within_the_margin_on_the_primary_metric_only() -> None:
    lost = Interval(estimate=-0.004, low=-0.006, high=-0.002)
    guard = against_champion("auc", lost, 0.01, higher_is_better=True)
    primary = against_champion("auc", lost, 0.01, higher_is_better=True, primary=True)
    assert (guard.verdict, primary.verdict) == (Verdict.PASS, Verdict.FAIL)
    assert "surely worse" in primary.reason
    assert against_champion("auc", lost, 0.001, higher_is_better=True).verdict is Verdict.FAIL
    rise = against_champion("rmse", lost, 0.0, higher_is_better=False, primary=True)
    assert rise.verdict is Verdict.PASS, "lower is better there"


def test_a_limit_is_held_by_the_whole_interval() -> None:
    def verdict(low: float, high: float) -> Verdict:
        return below_limit("gap", Interval(estimate=0.1, low=low, high=high), 0.1).verdict

    assert verdict(0.02, 0.09) is Verdict.PASS
    assert verdict(0.02, 0.1) is Verdict.INCONCLUSIVE
    assert verdict(0.1, 0.2) is Verdict.FAIL


def _compared(found, metric: str):
    # Ranks as probabilities: Brier needs them within 0 and 1.
    scores = {"candidate": found.second, "champion": found.first}
    given = {name: 1 / (1 + np.exp(1.5 - each)) for name, each in scores.items()}
    only = (metric,)
    return compare("binary", found.truth, given, found.units, seed=1, only=only).differences[
        "champion"
    ][metric]


def _difference(found, metric: str) -> float:
    given = [1 / (1 + np.exp(1.5 - each)) for each in (found.second, found.first)]
    mine, theirs = (score("binary", found.truth, each)[metric] for each in given)
    return mine - theirs
