"""Requests to retrain in the registry: judged once, approved by others, on record, verified."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from resources.registry.errors import (
    AccessRefused,
    ApproverRefused,
    AuditBroken,
    TransitionRefused,
)
from resources.registry.identity import Role
from resources.registry.records import Action
from resources.registry.registry import Registry, registry
from resources.registry.retraining_records import Asked, Judgement, Retraining, RetrainingState
from resources.registry.tables import retrainings
from tests.resources.conftest import Clock
from tests.resources.registry_cases import MODEL

ASKED = Asked(
    model=MODEL,
    trigger="drift",
    columns=("temp", "wind"),
    reference=1,
    episode="evaluation 7",
    told="temp and wind drifted",
    fingerprint="sha256:f",
)
WAIT = Judgement(
    state=RetrainingState.PENDING,
    outcome="needs_approval",
    reason="temp and wind drifted",
    evidence={"psi": 0.31},
    approvers=("bob", "eve"),
    waits_for=timedelta(days=2),
)
LAUNCH = replace(WAIT, state=RetrainingState.APPROVED, outcome="due", approvers=())
BY: dict[str, Any] = {"actor": "dan"}


def decide(store: Registry, judgement: Judgement = WAIT, asked: Asked = ASKED) -> Retraining:
    _, made = store.retrainings.decide(asked, lambda *_: judgement, **BY)
    assert made is not None
    return made


def test_a_request_lives_from_its_judgement_to_the_end_of_its_run(
    store: Registry, clock: Clock
) -> None:
    asked = decide(store)
    assert (asked.state, asked.expires_at) == (RetrainingState.PENDING, clock.forward(days=2))
    clock.forward(days=-1)
    approved = store.retrainings.approve(asked.request, approver="Bob", reason="storms")
    assert (approved.approver, approved.state) == ("bob", RetrainingState.APPROVED)
    launched = store.retrainings.launched(asked.request, "run-1", **BY)
    assert launched.launched_at == clock.now
    assert store.retrainings.launched(asked.request, "run-1", **BY) == launched
    assert store.retrainings.open() == [launched]
    ended = store.retrainings.ended(asked.request, True, "registered version 2", **BY)
    assert store.retrainings.ended(asked.request, True, "again", **BY) == ended
    assert store.retrainings.open() == []
    assert store.retrainings.find(asked.request) == ended
    states = store.retrainings.states(asked.request)
    assert [each.state for each in states] == ["pending", "approved", "launched", "succeeded"]
    assert {each.asked for each in states} == {ASKED}
    assert states[0].evidence == {"psi": 0.31}
    entries = store.audit(MODEL)
    assert [entry.action for entry in entries] == [
        Action.RETRAINING_DECIDED, Action.RETRAINING_APPROVED, Action.RETRAINING_LAUNCHED,
        Action.RETRAINING_ENDED,
    ]  # fmt: skip
    assert entries[1].approver == "bob"
    assert entries[0].reason == "retraining for drift is pending: temp and wind drifted"
    store.verify_audit()


def test_a_duplicate_is_judged_and_leaves_no_row(store: Registry) -> None:
    first = decide(store)

    def judge(history: Sequence[Retraining], _: datetime) -> Judgement:
        assert history == [first]
        return Judgement(state=RetrainingState.SKIPPED, outcome="duplicate", reason="of 1")

    assert store.retrainings.decide(ASKED, judge, **BY)[1] is None
    assert store.retrainings.all(MODEL) == [first]


def test_two_that_judge_at_once_see_each_other(store: Registry, registry_url: str) -> None:
    def judge(history: Sequence[Retraining], _: datetime) -> Judgement:
        taken = Judgement(state=RetrainingState.SKIPPED, outcome="under_way", reason="one is")
        return taken if history else LAUNCH

    def race() -> None:
        registry(registry_url).retrainings.decide(ASKED, judge, **BY)

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    states = [each.state for each in store.retrainings.all(MODEL)]
    assert sorted(states) == ["approved", "skipped", "skipped", "skipped"]


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_only_a_listed_approver_who_did_not_ask_settles_it(store: Registry, verdict: str) -> None:
    wanted = replace(ASKED, trigger="by_hand", requested_by="bob")
    asked = store.retrainings.request(wanted, actor="bob")
    assert asked.asked.requested_by == "bob"
    store.retrainings.decide(asked.asked, lambda *_: WAIT, request=asked.request, **BY)
    settle = getattr(store.retrainings, verdict)
    with pytest.raises(ApproverRefused, match=r"'bob' asked for retraining 1 .* ask one of: eve"):
        settle(asked.request, approver="bob", reason="mine")
    with pytest.raises(ApproverRefused, match="'mallory' is not an approver"):
        settle(asked.request, approver="mallory", reason="mine")
    assert settle(asked.request, approver="eve", reason="hers").approver == "eve"
    with pytest.raises(TransitionRefused, match="only one that is pending"):
        settle(asked.request, approver="eve", reason="again")
    assert [e.action for e in store.audit(MODEL)].count(Action.DENIED) == 2
    store.verify_audit()


def test_what_nobody_decides_expires_and_cannot_be_approved_then(
    store: Registry, clock: Clock
) -> None:
    asked = decide(store)
    assert store.retrainings.expire(**BY) == []
    clock.forward(days=2)
    with pytest.raises(TransitionRefused, match=r"nobody decided until .* asked of bob, eve"):
        store.retrainings.approve(asked.request, approver="bob", reason="late")
    (expired,) = store.retrainings.expire(**BY)
    assert (expired.request, expired.state) == (asked.request, RetrainingState.EXPIRED)
    assert store.retrainings.expire(**BY) == []


def test_a_viewer_asks_for_nothing_and_a_contributor_approves_nothing(
    store: Registry, registry_url: str, clock: Clock
) -> None:
    ada = registry(registry_url, clock, store.tokens.create("ada", Role.ADMIN, actor="root").text)
    texts = {role: ada.tokens.create(role.value, role).text for role in list(Role)[:2]}
    viewer, contributor = (registry(registry_url, clock, text) for text in texts.values())
    with pytest.raises(AccessRefused, match="needs contributor"):
        viewer.retrainings.request(ASKED)
    _, asked = contributor.retrainings.decide(ASKED, lambda *_: WAIT)
    assert asked is not None
    with pytest.raises(AccessRefused, match="needs approver"):
        contributor.retrainings.approve(asked.request, reason="mine")


def test_an_edit_behind_the_log_shows(store: Registry) -> None:
    decide(store)
    store.verify_audit()
    with store.database.writing() as connection:
        connection.execute(sa.update(retrainings).values(state="approved"))
    with pytest.raises(AuditBroken, match="retraining 1, which was edited"):
        store.verify_audit()
    with store.database.writing() as connection:
        connection.execute(sa.delete(retrainings))
    with pytest.raises(AuditBroken, match="retraining 1 is gone"):
        store.verify_audit()
