"""The governor: which trigger gets a retraining, which waits, which does not and why."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlplat_assets.retrain_spec import Retrain
from mlplat_assets.retraining.benefit_verdict import benefit_of, unknown
from mlplat_assets.retraining.governor import Broken, Circumstances, Terms, judge
from mlplat_assets.retraining.triggers import Failing, Kind, Serving, asked, triggers
from mlplat_assets.statistics.intervals import Interval
from resources.registry.retraining_records import Asked, Judgement, Retraining, RetrainingState

MODEL = "flights.arrival_delay"
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SERVING = Serving(version=1, registered_at=NOW - 40 * DAY, promoted_at=NOW - 39 * DAY)
TERMS = Terms(retrain=Retrain(), approvers=("bob", "eve"), waits_for=7 * DAY)
CALM = Circumstances()
BAD = Circumstances(
    broken=(Broken(table="features/flights/weather", check="meets_contract", told="temp: range"),)
)


def drift(*columns: str, began: int = 7, evaluation: int = 7, at: datetime = NOW) -> Failing:
    return Failing(
        evaluation=evaluation, began=began, began_at=at, at=at, told="drifted", version=1,
        columns=columns,
    )  # fmt: skip


def asking(failing: Failing, kind: Kind = "drift", serving: Serving = SERVING) -> Asked:
    (found,) = triggers(MODEL, Retrain(), serving, {kind: failing}, tick=None, oldest=None, now=NOW)
    return found


def recorded(
    what: Asked, judgement: Judgement, number: int = 1, at: datetime = NOW, **changes: Any
) -> Retraining:
    made = Retraining(
        id=number, request=number, state=judgement.state, at=at, asked=what, asked_at=at,
        outcome=judgement.outcome, reason=judgement.reason, again_at=judgement.again_at,
    )  # fmt: skip
    return replace(made, **changes)


def launched(at: datetime, number: int = 1, state: str = "succeeded") -> Retraining:
    what = asking(drift("a", began=1))
    said = judge(what, TERMS, [], CALM, at)
    return recorded(what, said, number, at, state=RetrainingState(state), launched_at=at)


def said(
    what: Asked, history: Sequence[Retraining] = (), seen: Circumstances = CALM,
    terms: Terms = TERMS, now: datetime = NOW,
) -> tuple[str, str]:  # fmt: skip
    found = judge(what, terms, history, seen, now)
    return found.state.value, found.outcome


def test_drift_that_stands_for_ten_days_is_one_request() -> None:
    history: list[Retraining] = []
    for hour in range(240):
        now = NOW + timedelta(hours=hour)
        jittering = ("temp", "wind") if hour % 3 else ("temp",)
        what = asking(drift(*jittering, evaluation=7 + hour) if hour else drift("temp", "wind"))
        judgement = judge(what, TERMS, history, CALM, now)
        if judgement.outcome == "duplicate":
            continue
        history.append(recorded(what, judgement, state=RetrainingState.SUCCEEDED, launched_at=now))
    assert len(history) == 1


def test_drift_that_begins_again_or_reaches_another_column_is_another_request() -> None:
    first = launched(NOW - 2 * DAY)
    assert said(asking(drift("a", began=1)), [first]) == ("skipped", "duplicate")
    assert said(asking(drift("a", began=9)), [first]) == ("approved", "due")
    assert said(asking(drift("a", "b", began=1)), [first]) == ("approved", "due")


def test_a_check_of_before_the_promotion_or_of_another_version_asks_for_nothing() -> None:
    asks = [
        triggers(MODEL, Retrain(), serving, {"drift": failing}, tick=None, oldest=None, now=NOW)
        for serving, failing in (
            (SERVING, drift("a")),
            (replace(SERVING, promoted_at=NOW + DAY), drift("a")),
            (replace(SERVING, version=2), drift("a")),
            (None, drift("a")),
        )
    ]
    assert [len(found) for found in asks] == [1, 0, 0, 0]


def test_broken_data_holds_every_trigger_and_names_what_to_fix() -> None:
    for what in (asking(drift("a")), asked(MODEL, "by_hand", "1", "please", SERVING)):
        judgement = judge(what, TERMS, [], BAD, NOW)
        assert (judgement.state, judgement.outcome) == ("skipped", "data_quality")
        assert judgement.reason == (
            "fix the data: features/flights/weather fails meets_contract: temp: range"
        )


def test_drift_is_judged_again_once_the_data_is_put_right() -> None:
    what = asking(drift("a"))
    skipped = recorded(what, judge(what, TERMS, [], BAD, NOW))
    assert said(what, [skipped], BAD) == ("skipped", "duplicate")
    assert said(what, [skipped], CALM) == ("approved", "due")


def test_one_under_way_answers_the_others() -> None:
    open_one = launched(NOW, state="launched")
    what = asking(drift("b", began=9))
    assert said(what, [open_one]) == ("skipped", "under_way")
    skipped = recorded(what, judge(what, TERMS, [open_one], CALM, NOW), 2)
    done = launched(NOW, state="succeeded")
    assert said(what, [done, skipped], now=NOW + 9 * DAY) == ("skipped", "duplicate")
    running = Circumstances(running="run-9")
    assert said(what, [], running) == ("skipped", "under_way")


def test_the_cooldown_holds_a_second_launch_and_no_person() -> None:
    history = [launched(NOW)]
    what = asking(drift("a", began=9))
    early, later = NOW + timedelta(hours=23), NOW + timedelta(hours=24)
    assert said(what, history, now=early) == ("skipped", "cooldown")
    history.append(recorded(what, judge(what, TERMS, history, CALM, early), 2, early))
    assert said(what, history, now=early) == ("skipped", "duplicate")
    assert said(what, history, now=later) == ("approved", "due")
    by_hand = asked(MODEL, "by_hand", "1", "please", SERVING)
    assert said(by_hand, history, now=early) == ("approved", "due")


def test_the_budget_of_30_days_holds_a_person_too_and_comes_back() -> None:
    terms = replace(TERMS, retrain=Retrain(budget=2))
    history = [launched(NOW - 29 * DAY, 1), launched(NOW - 3 * DAY, 2)]
    by_hand = asked(MODEL, "by_hand", "1", "please", SERVING)
    assert said(by_hand, history, terms=terms) == ("skipped", "budget")
    assert said(by_hand, history, terms=terms, now=NOW + DAY) == ("approved", "due")
    assert said(by_hand, history) == ("approved", "due"), "ten is the default"


@pytest.mark.parametrize(
    ("low", "high", "kind", "outcome"),
    [
        (0.01, 0.05, "drift", "due"),
        (-0.02, 0.05, "drift", "due"),
        (-0.05, -0.01, "drift", "would_not_help"),
        (-0.05, -0.01, "decay", "would_not_help"),
        (-0.05, -0.01, "stale", "due"),
        (-0.05, -0.01, "schedule", "due"),
        (-0.05, -0.01, "by_hand", "due"),
    ],
)
def test_only_sure_harm_and_only_to_what_doubts_the_model_holds_it_back(
    low: float, high: float, kind: Kind, outcome: str
) -> None:
    gain = Interval(estimate=(low + high) / 2, low=low, high=high)
    seen = Circumstances(benefit=benefit_of("auc", gain, 900, "2026-03-01 to 2026-03-07"))
    what = asked(MODEL, kind, "1", "told", SERVING)
    assert said(what, seen=seen)[1] == outcome
    assert said(what, seen=Circumstances(benefit=unknown("no labels yet")))[1] == "due"


def test_a_model_that_asks_for_approval_queues_and_names_who() -> None:
    terms = replace(TERMS, retrain=Retrain(approval=True))
    judgement = judge(asking(drift("a")), terms, [], CALM, NOW)
    assert (judgement.state, judgement.outcome) == ("pending", "needs_approval")
    assert (judgement.approvers, judgement.waits_for) == (("bob", "eve"), 7 * DAY)


def test_a_failed_run_is_tried_again_after_the_cooldown_while_the_drift_stands() -> None:
    failed = launched(NOW, state="failed")
    what = asking(drift("a", began=1))
    assert said(what, [failed], now=NOW + timedelta(hours=1)) == ("skipped", "duplicate")
    assert said(what, [failed], now=NOW + DAY) == ("approved", "due")


def test_age_and_clock_ask_once_per_span_and_tick() -> None:
    retrain = Retrain(on_drift=False, cron="0 3 * * 1")
    tick = datetime(2026, 3, 9, 3, tzinfo=UTC)
    failing: dict[Kind, Failing] = {"drift": drift("a")}

    def asks(serving: Serving) -> list[tuple[str, str]]:
        found = triggers(
            MODEL, retrain, serving, failing, tick=tick, oldest=timedelta(days=30), now=NOW
        )  # fmt: skip
        return [(each.trigger, each.episode) for each in found]

    assert asks(SERVING) == [("stale", "age 1"), ("schedule", "2026-03-09T03:00:00+00:00")]
    assert asks(replace(SERVING, registered_at=NOW)) == []
