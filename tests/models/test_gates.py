"""Gates say why, in sentences, and never pass for want of a number or of evidence."""

import pytest

from mlplat_assets.assessment.verdicts import Verdict
from mlplat_assets.model_spec import Gate
from mlplat_assets.models.gates import judge
from mlplat_assets.statistics.intervals import Interval


def near(value: float, reach: float = 0.01) -> Interval:
    return Interval(estimate=value, low=value - reach, high=value + reach)


def against(value: float, champion: float, reach: float, metric: str = "auc"):
    """Metrics of both, and their difference known to `reach`."""
    own, other = {metric: near(value)}, {metric: near(champion)}
    return own, other, {metric: near(value - champion, reach)}


def test_a_candidate_above_floor_and_champion_passes() -> None:
    gates = (Gate(metric="auc", floor=0.7, margin=0.0),)
    judged = judge(gates, "binary", *against(0.74, 0.72, 0.01))
    assert judged.passed
    assert judged.reasons == []
    (gate,) = judged.gates
    assert gate["verdict"] is Verdict.PASS
    assert gate["reason"] == (
        "auc 0.74 meets its floor 0.7; "
        "auc differs from champion's by +0.02 [+0.01, +0.03]: within the margin 0"
    )
    assert (gate["value"], gate["champion"], gate["passed"]) == (0.74, 0.72, True)
    assert gate["interval"] == {"estimate": 0.74, "low": 0.73, "high": 0.75}
    assert gate["difference"] == pytest.approx({"estimate": 0.02, "low": 0.01, "high": 0.03})


def test_a_candidate_surely_below_the_champion_is_refused_with_the_difference() -> None:
    gates = (Gate(metric="auc", margin=0.01),)
    _, passed, reasons = judge(gates, "binary", *against(0.7, 0.735, 0.01))
    assert not passed
    assert reasons == [
        "auc differs from champion's by -0.035 [-0.045, -0.025]: worse by more than the margin 0.01"
    ]


def test_what_cannot_be_told_is_inconclusive_and_no_pass() -> None:
    gates = (Gate(metric="auc", margin=0.005),)
    judged = judge(gates, "binary", *against(0.736, 0.739, 0.02))
    assert not judged.passed
    assert judged.gates[0]["verdict"] is Verdict.INCONCLUSIVE
    assert judged.gates[0]["passed"] is False
    assert "too few days or rows to tell" in judged.reasons[0]
    wider = (Gate(metric="auc", margin=0.03),)
    assert judge(wider, "binary", *against(0.736, 0.739, 0.02)).passed


def test_on_the_first_gate_alone_a_sure_loss_within_the_margin_fails() -> None:
    own, other, difference = against(0.736, 0.739, 0.002)
    for each in (own, other, difference):
        each["average_precision"] = each["auc"]
    gates = (Gate(metric="auc", margin=0.03), Gate(metric="average_precision", margin=0.03))
    judged = judge(gates, "binary", own, other, difference)
    assert [gate["verdict"] for gate in judged.gates] == [Verdict.FAIL, Verdict.PASS]
    assert "the primary metric must be level or better" in judged.reasons[0]


def test_numbers_that_round_alike_are_shown_with_as_many_digits_as_differ() -> None:
    judged = judge((Gate(metric="auc", floor=0.7),), "binary", {"auc": near(0.69996)})
    assert judged.reasons == ["auc 0.69996 is below the floor 0.70000"]


def test_lower_is_better_where_the_metric_says_so() -> None:
    gate = (Gate(metric="log_loss", floor=0.5, margin=0.01),)
    assert judge(gate, "binary", *against(0.41, 0.408, 0.005, "log_loss")).passed
    refused = judge(gate, "binary", *against(0.52, 0.4, 0.01, "log_loss"))
    assert refused.reasons == [
        "log_loss 0.520 is above the limit 0.500; log_loss differs from champion's by "
        "+0.12 [+0.11, +0.13]: worse by more than the margin 0.01"
    ]


def test_a_failing_floor_is_a_failure_also_where_the_champion_is_out_of_sight() -> None:
    gate = (Gate(metric="auc", floor=0.8, margin=0.01),)
    (found,) = judge(gate, "binary", *against(0.7, 0.7, 0.05)).gates
    assert found["verdict"] is Verdict.FAIL
    assert "below the floor" in found["reason"] and "too few days" in found["reason"]


def test_a_value_equal_to_its_floor_passes_however_wide_its_interval() -> None:
    gate = (Gate(metric="auc", floor=0.7),)
    assert judge(gate, "binary", {"auc": near(0.7, 0.1)}).passed


def test_a_negative_margin_asks_for_an_improvement() -> None:
    gate = (Gate(metric="auc", margin=-0.01),)
    assert not judge(gate, "binary", *against(0.72, 0.7, 0.015)).passed
    assert judge(gate, "binary", *against(0.72, 0.7, 0.005)).passed


def test_without_a_champion_only_floors_are_held() -> None:
    gates = (Gate(metric="auc", floor=0.7, margin=0.0), Gate(metric="ece", margin=0.0))
    judged = judge(gates, "binary", {"auc": near(0.71), "ece": near(0.4)})
    assert judged.passed
    assert [gate["champion"] for gate in judged.gates] == [None, None]
    assert "no champion yet" in judged.gates[1]["reason"]


def test_every_failing_gate_gives_its_own_reason() -> None:
    gates = (
        Gate(metric="auc", floor=0.7),
        Gate(metric="ece", floor=0.05),
        Gate(metric="brier", floor=0.2),
    )
    metrics = {"auc": near(0.6), "ece": near(0.1), "brier": near(0.1)}
    judged = judge(gates, "binary", metrics)
    assert [gate["passed"] for gate in judged.gates] == [False, False, True]
    assert len(judged.reasons) == 2


@pytest.mark.parametrize(
    ("gates", "metrics", "message"),
    [
        ((), {"auc": near(0.9)}, "declares no gate"),
        ((Gate(metric="auc"),), {"auc": near(0.9)}, "bounds nothing"),
        ((Gate(metric="rmse", floor=1.0),), {"auc": near(0.9)}, "a binary model has accuracy, auc"),
        ((Gate(metric="auc", floor=0.5),), {"auc": near(float("nan"))}, "candidate's auc is nan"),
        (
            (Gate(metric="auc", floor=0.5),),
            {"auc": near(0.6, float("inf"))},
            "candidate's auc is 0.6 .-inf, inf.",
        ),
        ((Gate(metric="auc", floor=0.5),), {}, "candidate's auc is None"),
    ],
)
def test_what_cannot_be_judged_is_an_error_rather_than_a_pass(
    gates: tuple[Gate, ...], metrics: dict[str, Interval], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        judge(gates, "binary", metrics)
