"""What waits for people, on both databases."""

from datetime import timedelta
from typing import Any

from resources.registry.records import Action, ApprovalTerms
from resources.registry.registry import Registry
from tests.resources.conftest import Clock
from tests.resources.registry_cases import MODEL, crown, promote, register

BY: dict[str, Any] = {"actor": "dan", "reason": "looked at it"}
TWO = ApprovalTerms(required=2, valid=timedelta(days=3))


def test_a_version_waits_from_its_registration_until_it_is_promoted(
    store: Registry, clock: Clock
) -> None:
    assert store.waiting(MODEL, clock()) == []
    register(store, "a", approval=TWO)
    (waits,) = store.waiting(MODEL, clock())
    assert (waits.approved_by, waits.may_approve, waits.until) == ([], ("bob", "eve"), None)
    assert waits.is_current and not waits.is_approved
    store.approve(MODEL, 1, approver="bob", **BY)
    (waits,) = store.waiting(MODEL, clock())
    assert (waits.approved_by, waits.may_approve) == (["bob"], ("eve",))
    assert waits.until == clock() + timedelta(days=3) and not waits.is_approved
    store.approve(MODEL, 1, approver="eve", **BY)
    (waits,) = store.waiting(MODEL, clock())
    assert waits.is_approved
    promote(store, 1, approver=None)
    assert store.waiting(MODEL, clock()) == []


def test_a_rejection_a_lapse_and_another_champion_show(store: Registry, clock: Clock) -> None:
    crown(store, "a")
    register(store, "b", 1, approval=TWO)
    register(store, "c", 1)
    given = store.approve(MODEL, 2, approver="bob", **BY)
    store.reject(MODEL, 3, approver="eve", **BY)
    rejected = store.waiting(MODEL, clock())[1]
    assert rejected.rejected_by == ["eve"] and not rejected.is_approved
    before, after = clock(), clock.forward(days=3)
    assert store.lapsed_approvals(before, after) == [given]
    assert store.lapsed_approvals(after, clock.forward(days=1)) == []
    (lapsed, _) = store.waiting(MODEL, clock())
    assert (lapsed.lapsed, lapsed.may_approve) == ((given,), ("bob", "eve"))
    again = store.approve(MODEL, 2, approver="bob", **BY)
    (renewed, _) = store.waiting(MODEL, clock())
    assert (renewed.standing, renewed.lapsed) == ((again,), ())
    register(store, "d", 1)
    promote(store, 4)
    assert [each.is_current for each in store.waiting(MODEL, clock())] == [False, False]


def test_a_revoked_approval_does_not_lapse(store: Registry, clock: Clock) -> None:
    register(store, "a")
    given = store.approve(MODEL, 1, approver="bob", **BY)
    assert given.verdict is Action.APPROVED and given.expires_at is not None
    store.revoke_approval(MODEL, 1, approver="bob", actor="dan", reason="a slip")
    assert store.lapsed_approvals(clock(), given.expires_at) == []
