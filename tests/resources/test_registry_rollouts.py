"""Rollouts in the registry: one transaction a step, on record, on both databases."""

from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from resources.registry.errors import (
    AccessRefused,
    ApprovalMissing,
    AuditBroken,
    GateRefused,
    RolloutMoved,
    RolloutRefused,
    TrafficRefused,
    TransitionRefused,
)
from resources.registry.identity import Role
from resources.registry.records import Action, Stage
from resources.registry.registry import Registry, registry
from resources.registry.rollout_record import RolloutRecord, RolloutState
from resources.registry.tables import evaluations, rollouts
from tests.resources.conftest import Clock
from tests.resources.registry_cases import MODEL, crown, promote, register

BY: dict[str, Any] = {"actor": "controller", "reason": "numbers say so"}
SHARES = (1, 25, 60)


@pytest.fixture
def crowned(store: Registry) -> Registry:
    """Version 1 in production, 2 and 3 in staging."""
    crown(store, "a")
    register(store, "b", 1)
    register(store, "c", 1)
    return store


@pytest.fixture
def shadow(crowned: Registry) -> RolloutRecord:
    """Version 2 begun."""
    return crowned.rollouts.begin(MODEL, 2, SHARES, **BY)


def split(store: Registry) -> tuple[dict[int, float], tuple[int, ...]]:
    """The arms' shares by version, and the shadows."""
    found = store.traffic(MODEL).traffic
    return {arm.version: arm.share for arm in found.arms}, found.shadows


def test_a_rollout_goes_by_every_step_to_all_units(
    crowned: Registry, shadow: RolloutRecord, clock: Clock
) -> None:
    assert (shadow.state, shadow.number, shadow.champion) == (RolloutState.SHADOW, 1, 1)
    assert shadow.shares == (1, 25, 60, 100) and split(crowned) == ({}, (2,))
    crowned.approve(MODEL, 2, approver="bob", reason="good")
    record, seen = shadow, []
    while record.is_open:
        clock.forward(hours=1)
        record = crowned.rollouts.advance(record, evidence={"units": 400}, **BY)
        seen.append((record.state, record.leg.share, split(crowned)[0].get(2)))
    assert seen == [
        ("canary", 1, 1),
        ("canary", 25, 25),
        ("canary", 60, 60),
        ("complete", 100, None),
    ]
    champion = crowned.champion(MODEL)
    assert champion is not None and champion.number == 2
    assert [leg.share for leg in record.legs] == [0, 1, 25, 60, 100]
    assert all(leg.until == later.since for leg, later in pairwise(record.legs))
    assert crowned.rollouts.last(MODEL) == record == crowned.rollouts.newest()[0]
    assert len(crowned.rollouts.history(MODEL)) == 5
    told = [e.reason for e in crowned.audit(MODEL) if e.action is Action.ROLLOUT_CHANGED]
    assert told[1] == "rollout 1, canary (1%): numbers say so"
    crowned.verify_audit()


def test_a_step_on_an_old_reading_changes_nothing(crowned: Registry, shadow: RolloutRecord) -> None:
    crowned.rollouts.advance(shadow, **BY)
    before = crowned.traffic(MODEL), len(crowned.audit())
    with pytest.raises(RolloutMoved, match="look again"):
        crowned.rollouts.advance(shadow, **BY)
    with pytest.raises(RolloutMoved):
        crowned.rollouts.end(shadow, RolloutState.ROLLED_BACK, **BY)
    assert (crowned.traffic(MODEL), len(crowned.audit())) == before


def test_the_last_step_is_refused_without_approval_and_leaves_the_share(
    crowned: Registry, shadow: RolloutRecord
) -> None:
    record = shadow
    for _ in SHARES:
        record = crowned.rollouts.advance(record, **BY)
    assert (crowned.obstacles(MODEL, 2).readiness, record.leg.share) == (None, 60)
    with pytest.raises(ApprovalMissing):
        crowned.rollouts.advance(record, **BY)
    waiting = crowned.rollouts.wait(record, **BY)
    assert split(crowned) == ({2: 60}, ()) and waiting.state is RolloutState.WAITING
    assert "0 of 1 approvals" in str(crowned.obstacles(MODEL, 2).approval)
    crowned.approve(MODEL, 2, approver="bob", reason="good")
    assert crowned.obstacles(MODEL, 2).approval is None
    assert crowned.rollouts.advance(waiting, **BY).state is RolloutState.COMPLETE


def test_an_end_gives_every_unit_back(crowned: Registry, shadow: RolloutRecord) -> None:
    canary = crowned.rollouts.advance(shadow, **BY)
    crowned.set_override(MODEL, "tester", "canary", **BY)
    ended = crowned.rollouts.end(canary, RolloutState.ROLLED_BACK, **BY)
    assert split(crowned) == ({}, ()) and not crowned.traffic(MODEL).traffic.overrides
    assert ended.leg.until is not None and not ended.is_open
    for move in (crowned.rollouts.advance, crowned.rollouts.wait):
        with pytest.raises(RolloutRefused, match="has ended"):
            move(ended, **BY)
    again = crowned.rollouts.begin(MODEL, 3, SHARES, **BY)
    assert (again.number, split(crowned)) == (2, ({}, (3,)))


@pytest.mark.parametrize("state", [RolloutState.ROLLED_BACK, RolloutState.ABORTED])
@pytest.mark.parametrize("steps", [0, 2])
def test_what_is_taken_back_is_archived_and_waits_for_nobody(
    crowned: Registry, shadow: RolloutRecord, clock: Clock, state: RolloutState, steps: int
) -> None:
    crowned.approve(MODEL, 2, approver="bob", reason="good")
    record = shadow
    for _ in range(steps):
        record = crowned.rollouts.advance(record, **BY)
    crowned.rollouts.end(record, state, actor="controller", reason="errors: surely beyond")
    assert crowned.version(MODEL, 2).stage is Stage.ARCHIVED
    assert [each.version.number for each in crowned.waiting(clock(), MODEL)] == [3]
    entries = crowned.audit(MODEL, version=2)
    told = [e for e in entries if e.action is Action.TAKEN_BACK]
    assert [each.reason for each in told] == ["errors: surely beyond"]
    with pytest.raises(TransitionRefused, match="`mlplat rollout start` begins again"):
        promote(crowned, 2)
    with pytest.raises(TransitionRefused):
        crowned.approve(MODEL, 2, approver="eve", reason="good")
    crowned.verify_audit()


def test_a_replaced_shadow_stays_in_staging(crowned: Registry, shadow: RolloutRecord) -> None:
    crowned.rollouts.end(shadow, RolloutState.REPLACED, **BY)
    assert crowned.version(MODEL, 2).stage is Stage.STAGING and split(crowned) == ({}, ())


def test_a_person_begins_again_what_was_taken_back_and_it_comes_to_all_units(
    crowned: Registry, shadow: RolloutRecord
) -> None:
    canary = crowned.rollouts.advance(shadow, **BY)
    crowned.rollouts.end(canary, RolloutState.ROLLED_BACK, **BY)
    record = crowned.rollouts.begin(MODEL, 2, SHARES, actor="dan", reason="the network is mended")
    assert (record.number, crowned.version(MODEL, 2).stage) == (2, Stage.STAGING)
    restored = [e for e in crowned.audit(MODEL) if e.action is Action.RESTORED]
    assert [(e.actor, e.reason) for e in restored] == [("dan", "the network is mended")]
    crowned.approve(MODEL, 2, approver="bob", reason="good")
    while record.is_open:
        record = crowned.rollouts.advance(record, **BY)
    champion = crowned.champion(MODEL)
    assert champion is not None and champion.number == 2
    crowned.rollouts.end(record, RolloutState.ROLLED_BACK, **BY)
    with pytest.raises(TrafficRefused, match="cannot be a shadow"):
        crowned.rollouts.begin(MODEL, 2, SHARES, **BY)
    crowned.verify_audit()


def test_what_a_person_withdrew_is_not_begun_again(
    crowned: Registry, shadow: RolloutRecord
) -> None:
    crowned.withdraw(MODEL, 2, actor="dan", reason="no")
    ended = crowned.rollouts.end(shadow, RolloutState.ABORTED, **BY)
    assert not ended.is_open and crowned.version(MODEL, 2).stage is Stage.ARCHIVED
    with pytest.raises(TrafficRefused, match="cannot be a shadow"):
        crowned.rollouts.begin(MODEL, 2, SHARES, **BY)


def test_an_abort_leaves_a_version_that_was_promoted_by_hand(
    crowned: Registry, shadow: RolloutRecord
) -> None:
    promote(crowned, 2)
    crowned.rollouts.end(shadow, RolloutState.ABORTED, **BY)
    assert crowned.version(MODEL, 2).stage is Stage.PRODUCTION


def test_what_was_taken_back_as_stale_takes_up_a_new_evaluation(
    crowned: Registry, shadow: RolloutRecord
) -> None:
    crowned.withdraw(MODEL, 3, actor="dan", reason="no")
    crowned.rollouts.end(shadow, RolloutState.ROLLED_BACK, **BY)
    register(crowned, "d", 1)
    promote(crowned, 4)
    assert register(crowned, "b", 4).evidence["champion_version"] == 4
    assert register(crowned, "c", 4).evidence["champion_version"] == 1
    crowned.rollouts.begin(MODEL, 2, SHARES, **BY)
    assert crowned.obstacles(MODEL, 2).readiness is None
    crowned.verify_audit()


def test_a_complete_one_gives_way_to_the_champion_before(
    crowned: Registry, shadow: RolloutRecord
) -> None:
    crowned.approve(MODEL, 2, approver="bob", reason="good")
    record = shadow
    while record.is_open:
        record = crowned.rollouts.advance(record, **BY)
    crowned.rollouts.end(record, RolloutState.ROLLED_BACK, **BY)
    champion = crowned.champion(MODEL)
    assert champion is not None and champion.number == 1
    assert crowned.version(MODEL, 2).stage is Stage.ARCHIVED
    crowned.verify_audit()


def test_a_complete_one_whose_version_was_followed_by_another_is_left(
    crowned: Registry, shadow: RolloutRecord
) -> None:
    crowned.approve(MODEL, 2, approver="bob", reason="good")
    record = shadow
    while record.is_open:
        record = crowned.rollouts.advance(record, **BY)
    register(crowned, "d", 2)
    promote(crowned, 4)
    with pytest.raises(RolloutRefused, match="not the champion any more, version 4 is"):
        crowned.rollouts.end(record, RolloutState.ROLLED_BACK, **BY)


def test_one_at_a_time_and_none_without_a_champion(store: Registry) -> None:
    register(store, "a")
    with pytest.raises(RolloutRefused, match="promote one first"):
        store.rollouts.begin(MODEL, 1, SHARES, **BY)
    promote(store, 1)
    with pytest.raises(TrafficRefused, match="cannot be a shadow"):
        store.rollouts.begin(MODEL, 1, SHARES, **BY)
    for name in "bc":
        register(store, name, 1)
    store.rollouts.begin(MODEL, 2, SHARES, **BY)
    with pytest.raises(RolloutRefused, match="abort that first"):
        store.rollouts.begin(MODEL, 3, SHARES, **BY)
    assert split(store) == ({}, (2,))


def test_a_refused_step_leaves_a_shadow_a_shadow(crowned: Registry, shadow: RolloutRecord) -> None:
    with crowned.database.writing() as connection:
        edited = sa.update(evaluations).where(evaluations.c.number == 2)
        connection.execute(edited.values(evidence={"passed": True}))
    assert "edited" in str(crowned.obstacles(MODEL, 2).readiness)
    with pytest.raises(GateRefused):
        crowned.rollouts.advance(shadow, **BY)
    assert split(crowned) == ({}, (2,)) and crowned.rollouts.last(MODEL) == shadow


def test_people_s_own_moves_are_followed(crowned: Registry, shadow: RolloutRecord) -> None:
    canary = crowned.rollouts.advance(shadow, **BY)
    promote(crowned, 2)
    followed = crowned.rollouts.follow(canary, **BY)
    assert (followed.state, followed.leg.share) == (RolloutState.COMPLETE, 100)
    third = crowned.rollouts.begin(MODEL, 3, SHARES, **BY)
    crowned.withdraw(MODEL, 3, actor="dan", reason="no")
    assert crowned.rollouts.follow(third, **BY).state is RolloutState.ABORTED


def test_freezing_is_on_record_and_needs_an_approver(registry_url: str, clock: Clock) -> None:
    store = registry(registry_url, clock)
    store.migrate()
    crown(store, "a")
    register(store, "b", 1)
    shadow = store.rollouts.begin(MODEL, 2, SHARES, **BY)
    admin = store.tokens.create("root", Role.ADMIN, actor="root")
    text = registry(registry_url, clock, admin.text).tokens.create("vic", Role.VIEWER).text
    with pytest.raises(AccessRefused, match="needs approver"):
        registry(registry_url, clock, text).rollouts.freeze(shadow, True, reason="look")
    granted = registry(registry_url, clock, admin.text)
    frozen = granted.rollouts.freeze(shadow, True, reason="look")
    assert frozen.frozen and frozen.state is RolloutState.SHADOW
    assert not granted.rollouts.freeze(frozen, False, reason="seen").frozen
    assert [e.reason for e in store.audit(MODEL, newest=2)] == [
        "rollout 1, shadow (shadow, frozen): look", "rollout 1, shadow (shadow): seen",
    ]  # fmt: skip


def test_the_last_rollback_of_each_model_and_its_champion_s_entry_are_told(
    crowned: Registry, shadow: RolloutRecord
) -> None:
    (first,) = [e.id for e in crowned.audit(MODEL) if e.action is Action.PROMOTED]
    assert crowned.rollouts.rolled_back() == [] and crowned.coronations() == {MODEL: first}
    canary = crowned.rollouts.advance(shadow, **BY)
    ended = crowned.rollouts.end(canary, RolloutState.ROLLED_BACK, **BY)
    crowned.rollouts.begin(MODEL, 3, SHARES, **BY)
    assert crowned.rollouts.rolled_back() == [ended]
    register(crowned, "d", 1)
    promote(crowned, 4)
    assert crowned.coronations()[MODEL] > ended.id


def test_an_edited_step_breaks_the_audit(crowned: Registry, shadow: RolloutRecord) -> None:
    crowned.verify_audit()
    with crowned.database.writing() as connection:
        connection.execute(sa.update(rollouts).values(state="complete"))
    with pytest.raises(AuditBroken, match="rollout step"):
        crowned.verify_audit()
