"""From a check that begins to fail to a run that retrains, through the real governor."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from mlplat_assets.retrain_spec import Retrain
from mlplat_assets.retraining.sensor import CHAIN
from mlplat_assets.retraining.signals import RETRAINING_TAG
from resources.digests import digest
from resources.registry.registry import Registry
from resources.registry.retraining_records import RetrainingState
from tests import small_home
from tests.retraining.standins import MODEL, Graph, graph_of
from tests.small_world import in_environment

NO_WAIT = Retrain(cooldown=timedelta(0))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A registry with version 1 in production, where the assets' resources find it."""
    small_home.crown(tmp_path, "first")
    with in_environment(small_home.settings_at(tmp_path)):
        yield small_home.open_registry(tmp_path)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def graph(instance: dg.DagsterInstance, registry: Registry) -> Graph:
    return graph_of(instance, registry)


def test_retraining_is_launched_once_when_the_drift_check_begins_to_fail(graph: Graph) -> None:
    assert graph.tick() == []
    graph.says("drift", passes=True)
    assert graph.tick() == []
    graph.says("drift", passes=False, columns=["temp", "visib"])
    (asks,) = graph.tick()
    assert asks.asset_selection == [graph.governor.key]
    assert graph.tick() == [], "the run that judges is asked for once"
    graph.judge()
    (made,) = graph.registry.retrainings.open()
    assert (made.state, made.asked.columns) == ("approved", ("temp", "visib"))
    assert made.evidence["benefit"]["verdict"] == "INCONCLUSIVE", "there are no labels yet"
    (launch,) = graph.tick()
    assert launch.run_key == f"retraining-{made.request}"
    assert [key.path[0] for key in launch.asset_selection or ()] == list(CHAIN)
    assert launch.tags[RETRAINING_TAG] == str(made.request)
    assert graph.tick() == []
    for _ in range(3):
        graph.says("drift", passes=False, columns=["temp"])
        assert graph.tick() == [], "it keeps failing"
    graph.registry.verify_audit()


def test_the_run_is_followed_to_its_end(graph: Graph) -> None:
    graph.says("drift", passes=False, columns=["temp"])
    graph.judged()
    (launch,) = graph.tick()

    @dg.asset(key=(launch.asset_selection or [])[0])
    def trained() -> None:
        pass

    ran = dg.materialize([trained], instance=graph.instance, tags=launch.tags)
    assert graph.tick() == []
    (launched,) = graph.registry.retrainings.open()
    assert (launched.state, launched.run_id) == (RetrainingState.LAUNCHED, ran.run_id)
    assert graph.tick() == []
    (ended,) = graph.registry.retrainings.all()
    assert (ended.state, ended.reason) == ("succeeded", f"run {ran.run_id} ended in SUCCESS")


def test_a_request_whose_candidate_the_gates_refused_is_answered_and_not_asked_again(
    instance: dg.DagsterInstance, registry: Registry
) -> None:
    graph = graph_of(instance, registry, NO_WAIT)
    graph.says("drift", passes=False, columns=["temp"])
    graph.judged()
    (launch,) = graph.tick()

    @dg.asset(key=(launch.asset_selection or [])[0])
    def refused(context: dg.AssetExecutionContext) -> None:
        registry.record_refusal(
            MODEL.full_name,
            artifact_digest=digest("artifact"),
            evidence_digest=digest("evidence"),
            reasons=["auc 0.61 is below the champion's"],
            actor="robot",
            run_id=context.run.run_id,
        )
        raise dg.Failure("a blocking check failed")

    dg.materialize([refused], instance=instance, tags=launch.tags, raise_on_error=False)
    graph.tick()
    graph.tick()
    (ended,) = registry.retrainings.all()
    assert ended.state is RetrainingState.SUCCEEDED
    assert "its candidate was refused: auc 0.61 is below" in ended.reason
    graph.says("drift", passes=False, columns=["temp"])
    assert graph.tick() == [], "the drift stands, its question was answered"


def test_it_is_launched_again_when_the_check_was_healthy_and_begins_to_fail_again(
    instance: dg.DagsterInstance, registry: Registry
) -> None:
    graph = graph_of(instance, registry, NO_WAIT)
    for _ in range(2):
        graph.says("drift", passes=False, columns=["temp"])
        assert graph.judged() == [("approved", "due")]
        (made,) = registry.retrainings.open()
        registry.retrainings.launched(made.request, "run", actor="robot")
        registry.retrainings.ended(made.request, True, "done", actor="robot")
        assert graph.judged() == []
        graph.says("drift", passes=True)


@pytest.mark.parametrize("broken", ["weather", "soundness"])
def test_broken_data_is_to_be_fixed_and_not_learned_from(graph: Graph, broken: str) -> None:
    graph.says(broken, passes=False)
    graph.says("drift", passes=False, columns=["temp"])
    assert graph.judged() == [("skipped", "data_quality")]
    (skipped,) = graph.registry.retrainings.all()
    named = {
        "weather": "features/flights/weather fails meets_contract: meets_contract says so",
        "soundness": "drift/flights/arrival_delay fails data_is_sound: data_is_sound says so",
    }
    assert skipped.reason == f"fix the data: {named[broken]}"
    graph.says("drift", passes=False, columns=["temp"])
    assert graph.judged() == [], "it was told once"
    graph.says(broken, passes=True)
    assert graph.judged() == [("approved", "due")], "the data is right and the drift stands"
    assert graph.registry.retrainings.all()[-1].evidence["broken"] == []


def test_decay_asks_too_and_a_retraining_under_way_answers_it(graph: Graph) -> None:
    graph.says("performance", passes=False)
    graph.says("drift", passes=False, columns=["temp"])
    assert graph.judged() == [("approved", "due"), ("skipped", "under_way")]
    first, second = graph.registry.retrainings.all()
    assert (first.asked.trigger, second.asked.trigger) == ("decay", "drift")
    assert second.evidence["answered_by"] == first.request


def test_a_person_asks_in_the_launchpad_or_through_the_registry(graph: Graph) -> None:
    graph.judge(reason="new features")
    (made,) = graph.registry.retrainings.all()
    assert (made.state, made.asked.trigger, made.asked.told) == (
        "approved", "by_hand", "new features",
    )  # fmt: skip
    assert [entry.action for entry in graph.registry.audit(MODEL.full_name, newest=2)] == [
        "retraining_requested", "retraining_decided",
    ]  # fmt: skip


def test_what_needs_approval_waits_and_proceeds_once_it_is_given(
    instance: dg.DagsterInstance, registry: Registry
) -> None:
    graph = graph_of(instance, registry, Retrain(approval=True))
    graph.says("drift", passes=False, columns=["temp"])
    assert graph.judged() == [("pending", "needs_approval")]
    (waiting,) = registry.retrainings.open()
    assert graph.tick() == [], "it waits, and holds no run"
    registry.retrainings.approve(waiting.request, approver=small_home.APPROVER, reason="storms")
    (launch,) = graph.tick()
    assert launch.run_key == f"retraining-{waiting.request}"
    assert graph.tick() == []


def test_a_judgement_that_broke_is_tried_again_in_the_next_hour(graph: Graph) -> None:
    graph.says("drift", passes=False, columns=["temp"])
    now = datetime.now(UTC).replace(minute=10)
    assert len(graph.tick(now)) == 1
    assert graph.tick(now + timedelta(minutes=5)) == []
    assert len(graph.tick(now + timedelta(hours=1))) == 1


def test_drift_of_the_version_before_asks_for_nothing(graph: Graph, tmp_path: Path) -> None:
    graph.says("drift", passes=False, columns=["temp"])
    small_home.crown(tmp_path, "second")
    assert graph.tick() == [], "it was evaluated before version 2 was promoted"
    graph.says("drift", passes=False, columns=["temp"], version=1)
    assert graph.tick() == [], "it says that it is about version 1"
    graph.says("drift", passes=False, columns=["temp"], version=2)
    assert len(graph.tick()) == 1
