"""What an experiment says, from units drawn with a known effect."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pytest

from mlplat_assets.experiment_spec import Experiment, Guardrail, Metric
from mlplat_assets.experiments.arm_days import ArmDay
from mlplat_assets.experiments.judgement import Judgement, faults_of, judge
from mlplat_assets.experiments.looks import looks, ratio_looks
from mlplat_assets.statistics.covariates import PairedMoments
from mlplat_assets.statistics.moments import Moments
from tests.experiments.journal import a_spec

LOSS, LATENCY = (
    Metric(measure="log_loss", better="lower"),
    Metric(measure="latency_ms", better="lower"),
)


def a_plan(better: str = "lower", margin: float = 2.0, **changes: object) -> Experiment:
    terms = {
        "primary": Metric(measure="label:minutes", better=better),  # type: ignore[arg-type]
        "effect": 0.2,
        "guardrails": (Guardrail(metric=LATENCY, margin=margin),),
        "secondary": (),
    }
    return a_spec(**(terms | changes))


def arm_days(
    effects: dict[str, float], *, units: int = 300, slower: float = 0.0, days: int = 10,
    held_back: Sequence[str] = (),
) -> list[ArmDay]:  # fmt: skip
    """Units of a metric with spread 1 and of a latency with spread 2, by arm and day."""
    drawn = np.random.default_rng(51)
    found = []
    for number in range(days):
        for arm, effect in effects.items():
            y = Moments.of(drawn.normal(5 + effect, 1, units))
            ms = Moments.of(drawn.normal(20 + (slower if arm != "champion" else 0), 2, units))
            found.append(
                ArmDay(
                    arm=arm,
                    held_back=arm in held_back,
                    day=date(2013, 3, 1) + timedelta(days=number),
                    units=units,
                    crossed=0,
                    metrics={"label:minutes": y, "latency_ms": ms},
                    primary=PairedMoments(y=y, x=Moments(n=units)),
                )
            )
    return found


def judged(spec: Experiment, days: list[ArmDay], *, is_over: bool = False) -> Judgement:
    return judge(spec, looks(spec, days), [], is_over=is_over)


@pytest.mark.parametrize(("better", "effect"), [("lower", -0.3), ("higher", 0.3)])
def test_an_arm_that_is_better_and_costs_nothing_ships_in_both_directions(
    better: str, effect: float
) -> None:
    days = arm_days({"champion": 0, "canary": effect})
    assert (judged(a_plan(better), days).verdict, judged(a_plan(better), days).arm) == (
        "SHIP",
        "canary",
    )
    other = "higher" if better == "lower" else "lower"
    (told,) = judged(a_plan(other), days).reasons
    assert judged(a_plan(other), days).verdict == "STOP" and "is worse" in told


@pytest.mark.parametrize("slower", [3.0, 2.0])
def test_a_better_arm_does_not_ship_at_any_price(slower: float) -> None:
    """Slower by more than the margin it stops; by as much as it, nothing is shown."""
    found = judged(a_plan(), arm_days({"champion": 0, "canary": -0.3}, slower=slower))
    assert found.verdict == ("STOP" if slower == 3.0 else "KEEP RUNNING")
    assert any("latency_ms" in reason for reason in found.reasons)


def test_a_cost_within_the_margin_is_accepted() -> None:
    days = arm_days({"champion": 0, "canary": -0.3}, slower=1.0)
    assert judged(a_plan(), days).verdict == "SHIP"
    assert judged(a_plan(margin=0.5), days).verdict == "STOP"


def test_a_guardrail_of_higher_is_better_looks_the_other_way() -> None:
    upward = Guardrail(metric=Metric(measure="latency_ms", better="higher"), margin=0.5)
    days = arm_days({"champion": 0, "canary": -0.3}, slower=1.0)
    found = looks(a_plan(guardrails=(upward,)), days)[-1]
    assert judged(a_plan(guardrails=(upward,)), days).verdict == "SHIP"
    assert found.effect.p_value == 1.0, "it is not worse"
    assert looks(a_plan(), days)[-1].effect.p_value < 1e-6


def test_too_few_units_decide_nothing() -> None:
    days = arm_days({"champion": 0, "canary": -3}, units=90, days=1)
    assert judged(a_plan(), days).verdict == "KEEP RUNNING"
    assert judged(a_plan(), days, is_over=True).verdict == "STOP"


def test_without_an_effect_it_runs_until_the_one_worth_finding_is_ruled_out() -> None:
    assert (
        judged(a_plan(), arm_days({"champion": 0, "canary": 0}, days=1)).verdict == "KEEP RUNNING"
    )
    assert judged(
        a_plan(), arm_days({"champion": 0, "canary": 0}, days=1), is_over=True
    ).verdict == ("STOP")
    found = judged(a_plan(), arm_days({"champion": 0, "canary": 0}, units=1000))
    assert found.verdict == "STOP" and "no effect of 0.2 is left" in found.reasons[0]


def test_of_several_arms_the_best_that_may_ships() -> None:
    spec = a_plan(arms=("canary", "blue"))
    found = judged(spec, arm_days({"champion": 0, "canary": -0.3, "blue": -0.6}))
    assert (found.verdict, found.arm) == ("SHIP", "blue")
    found = judged(spec, arm_days({"champion": 0, "canary": -0.4, "blue": 0.4}))
    assert (found.verdict, found.arm) == ("SHIP", "canary")
    found = judged(spec, arm_days({"champion": 0, "canary": 0.5, "blue": 0.4}))
    assert found.verdict == "STOP" and len(found.reasons) == 2


def test_the_holdout_is_compared_apart() -> None:
    days = arm_days({"champion": 0, "canary": -0.3})
    days += arm_days({"champion": 0.5}, units=100, held_back=("champion",))
    found = [look for look in looks(a_plan(holdout=5.0), days) if look.day == days[-1].day]
    by_role = {look.role: look for look in found}
    assert (by_role["primary"].control.n, by_role["holdout"].control.n) == (4000, 1000)
    assert by_role["holdout"].effect.estimate == pytest.approx(-0.8, abs=0.1)


def test_nothing_yet_keeps_running_and_nothing_at_all_stops() -> None:
    assert judged(a_plan(), []).verdict == "KEEP RUNNING"
    assert judged(a_plan(), [], is_over=True).verdict == "STOP"


def test_a_fault_is_no_verdict_whatever_the_effect() -> None:
    days = arm_days({"champion": 0, "canary": -0.3})
    found = judge(a_plan(), looks(a_plan(), days), ["the salt changed"], is_over=True)
    assert (found.verdict, found.reasons) == ("INVALID", ("the salt changed",))


def test_units_that_are_lost_in_one_arm_or_answered_by_two_are_faults() -> None:
    shares = {"champion": 5000, "canary": 5000}
    days = arm_days({"champion": 0, "canary": 0})
    assert faults_of(ratio_looks(a_plan(), days, shares), shares) == []
    fewer = [day for day in days if day.arm == "champion" or day.day.day > 3]
    (told,) = faults_of(ratio_looks(a_plan(), fewer, shares), shares)
    assert "champion 3,000, canary 2,100" in told and "5,000 : 5,000" in told
    from dataclasses import replace

    crossed = [replace(day, crossed=4) for day in days]
    (told,) = faults_of(ratio_looks(a_plan(), crossed, shares), shares)
    assert "80 of 6,000 units" in told


def test_50_looks_at_no_effect_ship_and_stop_at_most_5_times_in_100() -> None:
    """The whole path from units to a verdict, with a guardrail that is easily met."""
    drawn = np.random.default_rng(52)
    wrong = 0
    for _ in range(200):
        sums = drawn.normal(0, 1, (2, 50, 40))
        days = [
            ArmDay(
                arm=arm, held_back=False, day=date(2013, 1, 1) + timedelta(days=day), units=40,
                crossed=0, metrics={"label:minutes": m},
                primary=PairedMoments(y=m, x=Moments(n=40)),
            )
            for place, arm in enumerate(("champion", "canary"))
            for day in range(50)
            for m in [Moments.of(sums[place, day])]
        ]  # fmt: skip
        spec = a_plan(guardrails=(), effect=1e-9)
        found = looks(spec, days)
        wrong += any(look.effect.excludes(0) for look in found if look.control.n >= 100)
    assert wrong / 200 <= 0.05
