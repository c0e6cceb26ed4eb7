"""Gates say why, in sentences, and never pass for want of a number."""

import pytest

from mlplat_assets.model_spec import Gate
from mlplat_assets.models.gates import judge


def test_a_candidate_above_floor_and_champion_passes() -> None:
    verdict = judge(
        (Gate(metric="auc", floor=0.7, margin=0.0),), "binary", {"auc": 0.74}, {"auc": 0.735}
    )
    assert verdict.passed
    assert verdict.reasons == []
    assert verdict.gates == [
        {
            "metric": "auc",
            "floor": 0.7,
            "margin": 0.0,
            "value": 0.74,
            "champion": 0.735,
            "passed": True,
            "reason": "auc 0.740 meets its bound 0.700 and holds against champion's 0.735 "
            "within the margin 0.000",
        }
    ]


def test_a_candidate_below_the_champion_is_refused_with_both_numbers() -> None:
    _, passed, reasons = judge(
        (Gate(metric="auc", margin=0.0),), "binary", {"auc": 0.712}, {"auc": 0.735}
    )
    assert not passed
    assert reasons == ["auc 0.712 is below champion's 0.735 by more than the margin 0.000"]


def test_numbers_that_round_alike_are_shown_with_as_many_digits_as_differ() -> None:
    verdict = judge((Gate(metric="auc", floor=0.7),), "binary", {"auc": 0.69996}, None)
    assert verdict.reasons == ["auc 0.69996 is below the floor 0.70000"]


def test_lower_is_better_where_the_metric_says_so() -> None:
    gate = (Gate(metric="log_loss", floor=0.5, margin=0.01),)
    assert judge(gate, "binary", {"log_loss": 0.41}, {"log_loss": 0.405}).passed
    refused = judge(gate, "binary", {"log_loss": 0.52}, {"log_loss": 0.4})
    assert refused.reasons == [
        "log_loss 0.520 is above the limit 0.500; "
        "log_loss 0.520 is above champion's 0.400 by more than the margin 0.010"
    ]


def test_a_value_equal_to_its_bounds_passes() -> None:
    gate = (Gate(metric="auc", floor=0.7, margin=0.0),)
    assert judge(gate, "binary", {"auc": 0.7}, {"auc": 0.7}).passed
    level = (Gate(metric="mae", margin=0.1),)
    assert judge(level, "regression", {"mae": 0.3}, {"mae": 0.2}).passed


def test_a_negative_margin_asks_for_an_improvement() -> None:
    gate = (Gate(metric="auc", margin=-0.01),)
    assert not judge(gate, "binary", {"auc": 0.705}, {"auc": 0.7}).passed
    assert judge(gate, "binary", {"auc": 0.711}, {"auc": 0.7}).passed


def test_without_a_champion_only_floors_are_held() -> None:
    gates = (Gate(metric="auc", floor=0.7, margin=0.0), Gate(metric="ece", margin=0.0))
    verdict = judge(gates, "binary", {"auc": 0.71, "ece": 0.4}, None)
    assert verdict.passed
    assert [gate["champion"] for gate in verdict.gates] == [None, None]
    assert "no champion yet" in verdict.gates[1]["reason"]


def test_every_failing_gate_gives_its_own_reason() -> None:
    gates = (
        Gate(metric="auc", floor=0.7),
        Gate(metric="ece", floor=0.05),
        Gate(metric="brier", floor=0.2),
    )
    verdict = judge(gates, "binary", {"auc": 0.6, "ece": 0.1, "brier": 0.1}, None)
    assert [gate["passed"] for gate in verdict.gates] == [False, False, True]
    assert len(verdict.reasons) == 2


@pytest.mark.parametrize(
    ("gates", "metrics", "message"),
    [
        ((), {"auc": 0.9}, "declares no gate"),
        ((Gate(metric="auc"),), {"auc": 0.9}, "bounds nothing"),
        ((Gate(metric="rmse", floor=1.0),), {"auc": 0.9}, "a binary model has accuracy, auc"),
        ((Gate(metric="auc", floor=0.5),), {"auc": float("nan")}, "candidate's auc is nan"),
        ((Gate(metric="auc", floor=0.5),), {}, "candidate's auc is None"),
    ],
)
def test_what_cannot_be_judged_is_an_error_rather_than_a_pass(
    gates: tuple[Gate, ...], metrics: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        judge(gates, "binary", metrics, None)
