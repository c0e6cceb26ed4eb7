"""The registry's decisions, on SQLite and PostgreSQL alike."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from resources.digests import digest
from resources.registry.errors import (
    ApproverRefused,
    EvaluationStale,
    GateRefused,
    RegistryNotMigrated,
    TransitionRefused,
    UnknownVersion,
)
from resources.registry.records import Action, Stage, Version
from resources.registry.registry import Registry, registry
from resources.registry.tables import evaluations, versions
from tests.resources.conftest import Clock
from tests.resources.registry_cases import MODEL, artifact, crown, evidence_of, promote, register


def numbers(store: Registry, stage: Stage) -> list[int]:
    return [version.number for version in store.versions(MODEL) if version.stage is stage]


def roll_back(store: Registry, to: int | None = None) -> Version:
    return store.rollback(MODEL, actor="dan", reason="late flights", to=to)


def actions(store: Registry) -> list[tuple[str, int | None]]:
    return [(entry.action.value, entry.version) for entry in store.audit(MODEL)]


def test_a_registered_candidate_is_read_back_as_it_was_given(store: Registry, clock: Clock) -> None:
    version = register(store, "a", tags={"größe": "klein"})
    assert version == store.version(MODEL, 1)
    assert (version.number, version.stage) == (1, Stage.STAGING)
    assert version.evidence == evidence_of(artifact("a"), None)
    assert version.approvers == ("bob", "eve")
    assert version.tags == {"größe": "klein"}
    assert version.created_at == clock.now and version.created_at.tzinfo is UTC
    assert store.models() == [MODEL]
    assert store.champion(MODEL) is None


def test_registering_the_same_artefact_again_changes_nothing(store: Registry) -> None:
    first = register(store, "a")
    assert register(store, "a", author="someone else", run_id="another") == first
    assert register(store, "b").number == 2
    assert actions(store) == [("registered", 1), ("registered", 2)]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"passed": False, "reasons": ["auc 0.6 < 0.7"]}, "auc 0.6 < 0.7"),
        ({"passed": 1}, "did not pass"),
        ({"gates": []}, r"'gates'\] is empty"),
        ({"gates": [{"metric": "auc", "passed": False, "reason": "too low"}]}, "too low"),
        ({"model": "flights.departure_delay"}, "'flights.departure_delay'"),
        ({"artifact_digest": "sha256:0"}, "'sha256:0'"),
        ({"evidence_digest": "sha256:0"}, "it was edited"),
    ],
)
def test_a_candidate_without_a_passed_evaluation_is_refused(
    store: Registry, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(GateRefused, match=told):
        register(store, "a", **changes)
    assert store.versions(MODEL) == [] and store.audit() == []


def test_a_candidate_that_was_never_evaluated_is_refused(store: Registry) -> None:
    with pytest.raises(GateRefused, match="never evaluated; re-run evaluations/flights/arrival"):
        store.register(
            MODEL,
            artifact_digest=artifact("a"),
            evidence={},
            evidence_digest=digest({}),
            lineage={},
            approvers=["bob"],
            author="ana",
            run_id="r",
        )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_evidence_that_is_not_a_number_is_refused_by_its_path(
    store: Registry, value: float
) -> None:
    with pytest.raises(GateRefused, match=rf"evidence\['metrics'\]\['auc'\] is {value}"):
        register(store, "a", evidence_digest="sha256:0", metrics={"auc": value})
    with pytest.raises(ValueError, match=r"lineage\['seconds'\]\[0\] is nan"):
        register(store, "a", lineage={"seconds": [math.nan]})


def test_blank_names_and_unqualified_models_are_refused(store: Registry) -> None:
    with pytest.raises(ValueError, match="author is blank"):
        register(store, "a", author=" ")
    with pytest.raises(ValueError, match=r"team\.name"):
        store.record_refusal(
            "Arrival", artifact_digest="d", evidence_digest="e", reasons=[], actor="x", run_id="r"
        )
    register(store, "a")
    with pytest.raises(ValueError, match="reason is blank"):
        promote(store, 1, reason="")


def test_promotion_replaces_the_champion_and_says_so(store: Registry) -> None:
    assert crown(store, "a").stage is Stage.PRODUCTION
    assert crown(store, "b").number == 2
    assert numbers(store, Stage.PRODUCTION) == [2] and numbers(store, Stage.ARCHIVED) == [1]
    archived, promoted = store.audit(MODEL)[-2:]
    assert (archived.action, archived.version) == (Action.ARCHIVED, 1)
    assert archived.reason == "gives way to version 2: better on June"
    assert (promoted.action, promoted.version) == (Action.PROMOTED, 2)
    assert (promoted.from_stage, promoted.to_stage) == (Stage.STAGING, Stage.PRODUCTION)
    assert (promoted.actor, promoted.approver, promoted.run_id) == ("dan", "bob", "run-b")
    assert promoted.evidence_digest == digest(evidence_of(artifact("b"), 1))
    assert promoted.artifact_digest == artifact("b")
    assert store.audit_since(promoted.id - 1) == [promoted]


def test_promoting_the_champion_again_changes_nothing(store: Registry) -> None:
    champion = crown(store, "a")
    assert promote(store, 1, reason="again") == champion
    assert actions(store) == [("registered", 1), ("approved", 1), ("promoted", 1)]


def test_promotion_is_refused_when_the_evaluation_is_stale_until_it_is_renewed(
    store: Registry,
) -> None:
    register(store, "a")
    register(store, "b")
    promote(store, 1)
    told = "evaluated against no champion, champion is now version 1; re-run evaluations/flights/"
    with pytest.raises(EvaluationStale, match=told):
        promote(store, 2)
    renewed = register(store, "b", 1)
    assert (renewed.number, renewed.evidence["champion_version"]) == (2, 1)
    assert promote(store, 2).stage is Stage.PRODUCTION
    assert ("reevaluated", 2) in actions(store)
    assert store.verify_audit() == 9


def test_promotion_is_refused_without_an_approver_other_than_the_author(store: Registry) -> None:
    register(store, "a", approvers=("Ana ", "bob"))
    with pytest.raises(ApproverRefused, match=r"'mallory' is not an approver .*ask one of: bob"):
        promote(store, 1, approver="mallory")
    with pytest.raises(ApproverRefused, match="'Ana ' is the author"):
        promote(store, 1, approver="Ana ")
    assert store.champion(MODEL) is None
    assert actions(store) == [("registered", 1), ("denied", 1), ("denied", 1)]
    register(store, "a", approvers=("bob", "zoe"))
    assert promote(store, 1, approver="zoe").stage is Stage.PRODUCTION


def test_promotion_is_refused_when_the_stored_evidence_was_edited(store: Registry) -> None:
    register(store, "a")
    better = evidence_of(artifact("a"), None, metrics={"auc": 0.99})
    with store.database.writing() as connection:
        connection.execute(sa.update(evaluations).values(evidence=better))
    with pytest.raises(GateRefused, match="it was edited"):
        promote(store, 1)
    with store.database.writing() as connection:
        connection.execute(
            sa.insert(evaluations).values(
                model=MODEL, number=1, evidence=better, evidence_digest=digest(better)
            )
        )
        connection.execute(sa.update(versions).values(evidence_digest=digest(better)))
    with pytest.raises(GateRefused, match="not the one on the audit log"):
        promote(store, 1)
    assert store.champion(MODEL) is None


def test_promotion_is_refused_when_a_later_evaluation_refused_the_artefact(
    store: Registry,
) -> None:
    register(store, "a")
    terms = {"artifact_digest": artifact("a"), "actor": "dan", "run_id": "r"}
    refusal = {"evidence_digest": "sha256:1", "reasons": ["auc 0.6 < 0.7", "slice JFK"]}
    entry = store.record_refusal(MODEL, **terms, **refusal)
    assert store.record_refusal(MODEL, **terms, **refusal) == entry
    assert (entry.version, entry.reason) == (1, "auc 0.6 < 0.7; slice JFK")
    with pytest.raises(GateRefused, match=r"refused by a later evaluation .auc 0\.6 < 0\.7"):
        promote(store, 1)
    register(store, "a", metrics={"auc": 0.8})
    assert promote(store, 1).stage is Stage.PRODUCTION


def test_a_refusal_of_an_unregistered_candidate_is_on_record(store: Registry) -> None:
    entry = store.record_refusal(
        MODEL,
        artifact_digest=artifact("bad"),
        evidence_digest="sha256:1",
        reasons=["worse than the champion"],
        actor="dan",
        run_id="r",
    )
    assert (entry.action, entry.version, entry.to_stage) == (Action.REFUSED, None, None)
    assert store.audit(MODEL) == [entry] and store.verify_audit() == 1


def test_a_version_moves_only_as_the_state_machine_allows(store: Registry) -> None:
    register(store, "a")
    register(store, "b")
    terms = {"actor": "dan", "reason": "try"}
    assert store.start_canary(MODEL, 1, **terms).stage is Stage.CANARY
    with pytest.raises(TransitionRefused, match=r"in canary .* must be in staging"):
        store.start_canary(MODEL, 1, **terms)
    assert promote(store, 1).stage is Stage.PRODUCTION
    with pytest.raises(TransitionRefused, match="in production and cannot be withdrawn"):
        store.withdraw(MODEL, 1, **terms)
    assert store.withdraw(MODEL, 2, **terms).stage is Stage.ARCHIVED
    with pytest.raises(TransitionRefused, match="rollback returns a champion of earlier"):
        promote(store, 2)
    with pytest.raises(TransitionRefused, match="never was champion"):
        roll_back(store, to=2)
    with pytest.raises(UnknownVersion, match="no version 9; it has 1, 2"):
        promote(store, 9)


def test_each_rollback_goes_one_champion_further_back(store: Registry) -> None:
    with pytest.raises(TransitionRefused, match="no champion before"):
        roll_back(store)
    crown(store, "a", "b", "c")
    assert roll_back(store).number == 2
    assert roll_back(store).number == 1
    with pytest.raises(TransitionRefused, match="no champion before version 1"):
        roll_back(store)
    assert roll_back(store, to=3).number == 3
    assert roll_back(store, to=3).number == 3
    assert roll_back(store).number == 1
    assert numbers(store, Stage.PRODUCTION) == [1]
    assert crown(store, "d").number == 4
    assert roll_back(store).number == 1
    store.verify_audit()


def test_rollback_is_refused_to_a_version_whose_evidence_was_edited(store: Registry) -> None:
    crown(store, "a", "b", "c")
    with store.database.writing() as connection:
        second = evaluations.c.number == 2
        connection.execute(sa.update(evaluations).where(second).values(evidence={"passed": True}))
    with pytest.raises(GateRefused, match="it was edited"):
        roll_back(store)
    assert numbers(store, Stage.PRODUCTION) == [3]
    assert roll_back(store, to=1).number == 1


def test_history_tells_champion_stage_and_approver_at_any_moment(
    store: Registry, clock: Clock
) -> None:
    start = clock.now
    crown(store, "a")
    second = clock.forward(hours=1)
    register(store, "b", 1)
    third = clock.forward(hours=1)
    promote(store, 2, approver="eve")
    fourth = clock.forward(hours=1)
    roll_back(store)
    tick = timedelta(microseconds=1)

    def champion(at: datetime) -> int | None:
        found = store.champion_at(MODEL, at)
        return found.number if found else None

    moments = [start - tick, start, third - tick, third, fourth - tick, fourth]
    assert [champion(at) for at in moments] == [None, 1, 1, 2, 2, 1]
    stages = [store.stage_at(MODEL, 2, at) for at in (second - tick, second, third, fourth)]
    assert stages == [None, Stage.STAGING, Stage.PRODUCTION, Stage.ARCHIVED]
    assert store.approver_of(MODEL, 2, third - tick) is None
    assert store.approver_of(MODEL, 2, fourth) == "eve"
    assert store.approver_of(MODEL, 1, fourth) == "bob"
    elsewhere = third.astimezone(timezone(timedelta(hours=-5)))
    assert champion(elsewhere) == 2
    with pytest.raises(ValueError, match="has no time zone"):
        store.champion_at(MODEL, third.replace(tzinfo=None))


def test_history_never_runs_backwards_when_a_clock_does(store: Registry, clock: Clock) -> None:
    noon = clock.now
    crown(store, "a")
    clock.forward(hours=-3)
    crown(store, "b")
    assert [entry.at for entry in store.audit()] == [noon] * 7
    assert all(entry.at.tzinfo is UTC for entry in store.audit())
    champion = store.champion_at(MODEL, noon)
    assert champion is not None and champion.number == 2
    store.verify_audit()


def test_models_do_not_touch_each_other(store: Registry) -> None:
    crown(store, "a")
    other = "flights.departure_delay"
    evidence = evidence_of(artifact("a"), None, model=other)
    version = store.register(
        other,
        artifact_digest=artifact("a"),
        evidence=evidence,
        evidence_digest=digest(evidence),
        lineage={},
        approvers=["bob"],
        author="ana",
        run_id="r",
    )
    assert version.number == 1 and store.champion(other) is None
    store.promote(other, 1, actor="dan", approver="bob", reason="first")
    assert store.models() == [MODEL, other]
    assert len(store.audit(MODEL)) == 3 and len(store.audit()) == 6


def test_an_unmigrated_registry_and_a_foreign_url_say_what_to_do(registry_url: str) -> None:
    fresh = registry(registry_url)
    with pytest.raises(RegistryNotMigrated, match=r"call Registry\.migrate"):
        fresh.champion(MODEL)
    with pytest.raises(ValueError, match="name a file"):
        registry("sqlite://")
    with pytest.raises(ValueError, match="neither sqlite nor postgresql"):
        registry("mysql://localhost/x")
