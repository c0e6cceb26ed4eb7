"""All models at a glance, and how far open versions are from production, on both databases."""

from typing import Any

import pytest

from resources.registry.records import ApprovalTerms, Stage
from resources.registry.registry import Registry
from resources.registry.survey import Candidacy
from tests.resources.conftest import Clock
from tests.resources.registry_cases import MODEL, artifact, crown, evidence_of, promote, register


def candidate(store: Registry, clock: Clock, number: int) -> Candidacy:
    found = {each.version.number: each for each in store.candidacies(clock(), MODEL)}
    return found[number]


def test_an_empty_registry_has_nothing_to_survey(store: Registry, clock: Clock) -> None:
    assert store.survey() == []
    assert store.candidacies(clock()) == []


def test_a_survey_tells_stages_champion_since_and_traffic(store: Registry, clock: Clock) -> None:
    crown(store, "first")
    clock.forward(days=1)
    crown(store, "second")
    crowned = clock()
    clock.forward(days=1)
    register(store, "third", 2)
    register(store, "fourth", 2)
    store.set_share(MODEL, 3, 5, actor="dan", reason="a try")
    found = store.survey()[0]
    assert (found.model, found.champion, found.since) == (MODEL, 2, crowned)
    assert found.stages == {
        Stage.ARCHIVED: 1,
        Stage.PRODUCTION: 1,
        Stage.CANARY: 1,
        Stage.STAGING: 1,
    }
    assert found.traffic is not None
    assert [(arm.version, arm.share) for arm in found.traffic.arms] == [(3, 5.0)]
    assert found.broken is None


def test_the_newest_traffic_table_counts_and_a_broken_one_is_told(store: Registry) -> None:
    crown(store, "first")
    register(store, "second", 1)
    for share in (5, 25):
        store.set_share(MODEL, 2, share, actor="dan", reason="a try")
    found = store.survey()[0]
    assert found.traffic is not None
    assert found.traffic.arms[0].share == 25
    with store.database.writing() as connection:
        connection.exec_driver_sql("update traffic set document = '{}' where revision = 2")
    broken = store.survey()[0]
    assert broken.traffic is None
    assert "no traffic table" in (broken.broken or "")


def test_a_rollback_is_since_when_the_champion_serves(store: Registry, clock: Clock) -> None:
    crown(store, "first", "second")
    rolled = clock.forward(hours=3)
    store.rollback(MODEL, actor="dan", reason="worse")
    found = store.survey()[0]
    assert (found.champion, found.since) == (1, rolled)


def test_a_version_waits_until_it_has_its_approvals(store: Registry, clock: Clock) -> None:
    register(store, "first", approval=ApprovalTerms(required=2))
    waiting = candidate(store, clock, 1)
    assert (waiting.state, waiting.others) == ("waiting", ("bob", "eve"))
    store.approve(MODEL, 1, approver="bob", reason="fine")
    waiting = candidate(store, clock, 1)
    assert (waiting.state, waiting.others) == ("waiting", ("eve",))
    assert [each.approver for each in waiting.standing] == ["bob"]
    store.approve(MODEL, 1, approver="eve", reason="fine")
    assert candidate(store, clock, 1).state == "approved"
    store.reject(MODEL, 1, approver="eve", reason="no")
    assert candidate(store, clock, 1).state == "rejected"


def test_an_approval_that_expired_does_not_stand(store: Registry, clock: Clock) -> None:
    register(store, "first")
    store.approve(MODEL, 1, approver="bob", reason="fine")
    assert candidate(store, clock, 1).state == "approved"
    clock.forward(days=15)
    assert candidate(store, clock, 1).state == "waiting"


def test_a_version_that_was_compared_with_an_older_champion_is_blocked(
    store: Registry, clock: Clock
) -> None:
    register(store, "first")
    register(store, "second")
    promote(store, 1)
    found = candidate(store, clock, 2)
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
    found = candidate(store, clock, 1)
    assert found.state == "blocked"
    assert "refused by a later evaluation" in (found.obstacle or "")


def test_only_the_newest_five_open_versions_are_looked_at(store: Registry, clock: Clock) -> None:
    for number in range(7):
        register(store, number)
    numbers = [each.version.number for each in store.candidacies(clock(), MODEL)]
    assert numbers == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("before", [None, 3])
def test_the_log_is_read_from_its_end_or_from_an_entry_on(
    store: Registry, before: int | None
) -> None:
    crown(store, "first", "second")
    everything = [entry.id for entry in store.audit(MODEL)]
    asked = [entry.id for entry in store.audit(MODEL, newest=2, before=before)]
    assert asked == (everything if before is None else [1, 2])[-2:]
