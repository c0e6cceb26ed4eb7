"""What waits for people, on both databases."""

from datetime import timedelta
from typing import Any

from resources.registry.records import Action, ApprovalTerms
from resources.registry.registry import Registry
from resources.registry.waiting import Waiting
from tests.resources.conftest import Clock
from tests.resources.registry_cases import MODEL, artifact, crown, evidence_of, promote, register

BY: dict[str, Any] = {"actor": "dan", "reason": "looked at it"}
TWO = ApprovalTerms(required=2, valid=timedelta(days=3))


def waits_for(store: Registry, clock: Clock, number: int) -> Waiting:
    found = {each.version.number: each for each in store.waiting(clock(), MODEL)}
    return found[number]


def test_a_version_waits_from_its_registration_until_it_is_promoted(
    store: Registry, clock: Clock
) -> None:
    assert store.waiting(clock(), MODEL) == []
    register(store, "a", approval=TWO)
    (waits,) = store.waiting(clock(), MODEL)
    assert (waits.approved_by, waits.may_approve, waits.until) == ([], ("bob", "eve"), None)
    assert waits.state == "waiting"
    store.approve(MODEL, 1, approver="bob", **BY)
    (waits,) = store.waiting(clock(), MODEL)
    assert (waits.approved_by, waits.may_approve) == (["bob"], ("eve",))
    assert waits.until == clock() + timedelta(days=3) and waits.state == "waiting"
    store.approve(MODEL, 1, approver="eve", **BY)
    (waits,) = store.waiting(clock(), MODEL)
    assert waits.state == "approved"
    promote(store, 1, approver=None)
    assert store.waiting(clock(), MODEL) == []


def test_a_rejection_a_lapse_and_another_champion_show(store: Registry, clock: Clock) -> None:
    crown(store, "a")
    register(store, "b", 1, approval=TWO)
    register(store, "c", 1)
    given = store.approve(MODEL, 2, approver="bob", **BY)
    store.reject(MODEL, 3, approver="eve", **BY)
    rejected = store.waiting(clock(), MODEL)[1]
    assert (rejected.rejected_by, rejected.state) == (["eve"], "rejected")
    before, after = clock(), clock.forward(days=3)
    assert store.lapsed_approvals(before, after) == [given]
    assert store.lapsed_approvals(after, clock.forward(days=1)) == []
    (lapsed, _) = store.waiting(clock(), MODEL)
    assert (lapsed.lapsed, lapsed.may_approve) == ((given,), ("bob", "eve"))
    again = store.approve(MODEL, 2, approver="bob", **BY)
    (renewed, _) = store.waiting(clock(), MODEL)
    assert (renewed.standing, renewed.lapsed) == ((again,), ())
    register(store, "d", 1)
    promote(store, 4)
    assert [each.state for each in store.waiting(clock(), MODEL)] == ["blocked", "blocked"]


def test_a_revoked_approval_does_not_lapse(store: Registry, clock: Clock) -> None:
    register(store, "a")
    given = store.approve(MODEL, 1, approver="bob", **BY)
    assert given.verdict is Action.APPROVED and given.expires_at is not None
    store.revoke_approval(MODEL, 1, approver="bob", actor="dan", reason="a slip")
    assert store.lapsed_approvals(clock(), given.expires_at) == []


def test_a_version_waits_until_it_has_its_approvals(store: Registry, clock: Clock) -> None:
    register(store, "first", approval=ApprovalTerms(required=2))
    waiting = waits_for(store, clock, 1)
    assert (waiting.state, waiting.may_approve) == ("waiting", ("bob", "eve"))
    store.approve(MODEL, 1, approver="bob", reason="fine")
    waiting = waits_for(store, clock, 1)
    assert (waiting.state, waiting.may_approve) == ("waiting", ("eve",))
    assert [each.approver for each in waiting.standing] == ["bob"]
    store.approve(MODEL, 1, approver="eve", reason="fine")
    assert waits_for(store, clock, 1).state == "approved"
    store.reject(MODEL, 1, approver="eve", reason="no")
    assert waits_for(store, clock, 1).state == "rejected"


def test_an_approval_that_expired_does_not_stand(store: Registry, clock: Clock) -> None:
    register(store, "first")
    store.approve(MODEL, 1, approver="bob", reason="fine")
    assert waits_for(store, clock, 1).state == "approved"
    clock.forward(days=15)
    assert waits_for(store, clock, 1).state == "waiting"


def test_a_version_that_was_compared_with_an_older_champion_is_blocked(
    store: Registry, clock: Clock
) -> None:
    register(store, "first")
    register(store, "second")
    promote(store, 1)
    found = waits_for(store, clock, 2)
    assert found.state == "blocked"
    assert "champion is now version 1" in (found.obstacle or "")


def test_a_later_refusal_blocks_a_version(store: Registry, clock: Clock) -> None:
    register(store, "first")
    refused: dict[str, Any] = {"reasons": ["worse"], "actor": "ana", "run_id": "run-2"}
    digest = artifact("first")
    evidence = evidence_of(digest, None)
    store.record_refusal(
        MODEL, artifact_digest=digest, evidence_digest=artifact(str(evidence)), **refused
    )
    found = waits_for(store, clock, 1)
    assert found.state == "blocked"
    assert "refused by a later evaluation" in (found.obstacle or "")


def test_only_the_newest_five_open_versions_are_looked_at(store: Registry, clock: Clock) -> None:
    for number in range(7):
        register(store, number)
    numbers = [each.version.number for each in store.waiting(clock(), MODEL)]
    assert numbers == [3, 4, 5, 6, 7]


def test_an_older_open_version_that_somebody_approved_is_looked_at_too(
    store: Registry, clock: Clock
) -> None:
    for number in range(8):
        register(store, number)
    store.approve(MODEL, 2, approver="bob", reason="fine")
    numbers = [each.version.number for each in store.waiting(clock(), MODEL)]
    assert numbers == [2, 4, 5, 6, 7, 8]
    assert waits_for(store, clock, 2).state == "approved"
