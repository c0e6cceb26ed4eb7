"""Approvals: whose, on what, how many and until when, on SQLite and PostgreSQL alike."""

from datetime import timedelta

import pytest

from resources.registry.errors import (
    AccessRefused,
    ApprovalMissing,
    ApproverRefused,
    EvaluationStale,
    GateRefused,
    TransitionRefused,
)
from resources.registry.records import Action, Approval, ApprovalTerms, Stage, Version
from resources.registry.registry import Registry
from tests.resources.conftest import Clock
from tests.resources.registry_cases import MODEL, artifact, crown, register

TWO = ApprovalTerms(required=2, valid=timedelta(days=14))
THREE_PEOPLE = ("bob", "eve", "kim")


def two_of_three(store: Registry, name: object = "a") -> Version:
    return register(store, name, approvers=THREE_PEOPLE, approval=TWO)


def approve(store: Registry, who: str, number: int = 1) -> Approval:
    return store.approve(MODEL, number, approver=who, reason=f"{who} looked at it")


def go(store: Registry, number: int = 1) -> Version:
    return store.promote(MODEL, number, actor="dan", reason="better on June")


def log(store: Registry) -> list[str]:
    return [f"{e.action} {e.approver or e.actor}" for e in store.audit(MODEL)]


def test_a_version_is_promoted_once_enough_people_approved_it(
    store: Registry, clock: Clock
) -> None:
    version = two_of_three(store)
    assert version.approval == TWO == store.version(MODEL, 1).approval
    with pytest.raises(ApprovalMissing, match=r"has 0 of 2 approvals; ask bob, eve, kim: `mlplat"):
        go(store)
    given = approve(store, "bob")
    assert (given.artifact_digest, given.evidence_digest) == (
        version.artifact_digest,
        version.evidence_digest,
    )
    assert given.expires_at == clock.now + timedelta(days=14)
    with pytest.raises(ApprovalMissing, match=r"has 1 of 2 approvals \(bob\); ask eve, kim"):
        go(store)
    approve(store, "kim")
    assert go(store).stage is Stage.PRODUCTION
    promoted = store.audit(MODEL)[-1]
    assert (promoted.actor, promoted.approver) == ("dan", "bob, kim")
    behind = store.approvals_of(MODEL, 1, clock.now)
    assert [(a.approver, a.role, a.reason) for a in behind] == [
        ("bob", None, "bob looked at it"),
        ("kim", None, "kim looked at it"),
    ]
    assert store.verify_audit() == 6


def test_one_person_counts_once_however_the_name_is_written(store: Registry) -> None:
    two_of_three(store)
    first = approve(store, "bob")
    assert approve(store, " BOB ") == first
    assert store.approvals(MODEL, 1) == [first]
    with pytest.raises(ApprovalMissing, match="1 of 2"):
        go(store)


@pytest.mark.parametrize("author", ["ana", " Ana ", "ANA", "\uff41\uff4e\uff41"])
def test_the_author_approves_nothing_and_the_attempt_is_on_record(
    store: Registry, author: str
) -> None:
    register(store, "a", approvers=("Ana", "bob"))
    with pytest.raises(ApproverRefused, match=r"is the author of .* ask one of: bob"):
        approve(store, author)
    refused = store.audit(MODEL)[-1]
    assert refused.action is Action.DENIED and refused.version == 1
    assert refused.reason.startswith("approval: ") and "is the author" in refused.reason
    assert store.approvals(MODEL, 1) == []
    assert store.verify_audit() == 2


def test_an_approval_expires_by_the_clock_and_can_be_given_again(
    store: Registry, clock: Clock
) -> None:
    two_of_three(store)
    approve(store, "bob")
    clock.forward(days=13)
    approve(store, "eve")
    clock.forward(days=1)
    with pytest.raises(ApprovalMissing, match=r"has 1 of 2 approvals \(eve\)"):
        go(store)
    # A clock that is set back brings nothing back: the log has later entries.
    clock.forward(days=-10)
    with pytest.raises(ApprovalMissing, match="has 1 of 2"):
        go(store)
    approve(store, "bob")
    assert go(store).stage is Stage.PRODUCTION


def test_newer_evidence_voids_what_was_approved_before(store: Registry) -> None:
    register(store, "a")
    approve(store, "bob")
    register(store, "a", metrics={"auc": 0.79})
    with pytest.raises(ApprovalMissing, match="has 0 of 1"):
        go(store)
    approve(store, "bob")
    assert go(store).stage is Stage.PRODUCTION


def test_an_approver_who_is_no_longer_listed_does_not_count(store: Registry) -> None:
    register(store, "a")
    approve(store, "bob")
    register(store, "a", approvers=("eve",))
    with pytest.raises(ApprovalMissing, match="has 0 of 1 approvals; ask eve"):
        go(store)


def test_whoever_brought_the_evidence_counts_as_author(store: Registry) -> None:
    register(store, "a", author="bob")
    register(store, "a", metrics={"auc": 0.79}, author="eve")
    for who in ("bob", "eve"):
        with pytest.raises(ApproverRefused, match=f"'{who}' is the author"):
            approve(store, who)


def test_a_rejection_blocks_until_it_is_revoked(store: Registry) -> None:
    register(store, "a")
    approve(store, "bob")
    store.reject(MODEL, 1, approver="eve", reason="unfair to small airports")
    with pytest.raises(ApprovalMissing, match=r"was rejected by eve \(unfair to small airports\)"):
        go(store)
    with pytest.raises(ApprovalMissing, match="was rejected by eve"):
        store.promote(MODEL, 1, approver="bob", reason="again")
    assert [a.verdict for a in store.standing_approvals(MODEL, 1)] == ["approved", "rejected"]
    taken = store.revoke_approval(MODEL, 1, approver="EVE", reason="the airports were looked at")
    assert taken.revoked_in == store.audit(MODEL)[-1].id
    assert go(store).stage is Stage.PRODUCTION
    store.verify_audit()


def test_the_last_word_of_a_person_counts(store: Registry) -> None:
    register(store, "a")
    store.reject(MODEL, 1, approver="bob", reason="too early")
    approve(store, "bob")
    store.reject(MODEL, 1, approver="bob", reason="found something")
    with pytest.raises(ApprovalMissing, match=r"rejected by bob \(found something\)"):
        go(store)
    approve(store, "bob")
    assert go(store).stage is Stage.PRODUCTION


def test_a_revoked_approval_does_not_count(store: Registry) -> None:
    register(store, "a")
    approve(store, "bob")
    store.revoke_approval(MODEL, 1, approver="bob", reason="looked at the wrong version")
    with pytest.raises(ApprovalMissing, match="has 0 of 1"):
        go(store)
    with pytest.raises(LookupError, match=r"bob gave no verdict on .* left to revoke"):
        store.revoke_approval(MODEL, 1, approver="bob", reason="again")


def test_what_is_not_waiting_for_promotion_is_not_approved(store: Registry) -> None:
    crown(store, "a")
    with pytest.raises(TransitionRefused, match="in production"):
        approve(store, "bob")
    register(store, "b", 1)
    store.record_refusal(
        MODEL,
        artifact_digest=artifact("b"),
        evidence_digest="sha256:1",
        reasons=["slice JFK"],
        actor="dan",
        run_id="r",
    )
    with pytest.raises(GateRefused, match="refused by a later evaluation"):
        approve(store, "bob", 2)


def test_approving_while_promoting_is_all_or_nothing(store: Registry) -> None:
    two_of_three(store)
    with pytest.raises(ApprovalMissing, match=r"has 1 of 2 approvals \(bob\)"):
        store.promote(MODEL, 1, approver="bob", reason="alone")
    assert store.approvals(MODEL, 1) == []
    assert log(store) == ["registered ana", "denied bob"]
    approve(store, "kim")
    assert store.promote(MODEL, 1, approver="bob", reason="both").stage is Stage.PRODUCTION
    assert log(store)[2:] == ["approved kim", "approved bob", "promoted kim, bob"]


def test_a_refused_promotion_is_on_record_and_changes_nothing_else(store: Registry) -> None:
    crown(store, "a")
    register(store, "b")
    before = store.versions(MODEL)
    with pytest.raises(EvaluationStale):
        store.promote(MODEL, 2, actor="dan", approver="bob", reason="hurry")
    denied = store.audit(MODEL)[-1]
    assert (denied.action, denied.actor, denied.version) == (Action.DENIED, "dan", 2)
    assert "promotion: flights.arrival_delay version 2 was evaluated against" in denied.reason
    assert (store.versions(MODEL), store.approvals(MODEL, 2)) == (before, [])
    assert store.verify_audit() == 5


def test_without_tokens_nobody_can_break_the_glass(store: Registry) -> None:
    register(store, "a")
    with pytest.raises(AccessRefused, match="needs an admin's token, and this registry has none"):
        store.promote(MODEL, 1, actor="dan", reason="fire", break_glass=True)
    assert store.champion(MODEL) is None


def test_terms_that_ask_for_no_approval_are_refused(store: Registry) -> None:
    for terms in (ApprovalTerms(required=0), ApprovalTerms(valid=timedelta(0))):
        with pytest.raises(ValueError, match="asks for no approval"):
            register(store, "a", approval=terms)
