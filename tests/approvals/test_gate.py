"""The gate waits without a run, shows for whom, and goes on once when people have decided."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mlplat_assets.approvals.asset import approvals
from mlplat_assets.approvals.sensor import approval_given
from mlplat_assets.catalogue import catalogue
from mlplat_assets.models.handoff import latest
from mlplat_assets.rollout_spec import Rollout
from resources.dagster_bindings import RESOURCES
from resources.registry.errors import ApproverRefused
from resources.registry.records import Action, ApprovalTerms, Stage
from resources.registry.registry import Registry
from resources.registry.rollout_record import RolloutState
from tests import small_home
from tests.small_home import APPROVER
from tests.small_world import in_environment

MODEL = catalogue().models[small_home.MODEL]
OTHER = "lee@flights.example.com"
NAME = MODEL.full_name


class Gate:
    """The asset and its sensor over a real registry; `tick` runs what is asked for, once."""

    def __init__(self, home: Path, instance: dg.DagsterInstance, rollout: Rollout | None) -> None:
        self.registry: Registry = small_home.open_registry(home)
        self.instance = instance
        self.now = datetime.now(UTC)
        model = replace(MODEL, spec=replace(MODEL.spec, rollout=rollout))
        self.asset = approvals(model, catalogue(), lambda: self.now)
        self.sensor = approval_given([NAME], lambda: self.now)
        self.definitions = dg.Definitions(
            assets=[self.asset], sensors=[self.sensor], resources=RESOURCES
        )
        self.cursor: str | None = None
        self.run_keys: set[str | None] = set()

    def tick(self) -> int:
        """How many runs the sensor asks for; they are done."""
        with dg.build_sensor_context(
            self.instance,
            cursor=self.cursor,
            resources={"registry": self.registry},
            definitions=self.definitions,
        ) as context:
            found = self.sensor.evaluate_tick(context)
        self.cursor = found.cursor
        new = [each for each in found.run_requests or () if each.run_key not in self.run_keys]
        self.run_keys |= {each.run_key for each in new}
        for each in new:
            assert each.asset_selection == [self.asset.key]
            self.materialise()
        return len(new)

    def materialise(self, **verdict: Any) -> dg.ExecuteInProcessResult:
        """A run of the asset, with a person's verdict or without."""
        config = {"ops": {self.asset.op.name: {"config": verdict}}}
        return dg.materialize(
            [self.asset], instance=self.instance, resources=RESOURCES, run_config=config
        )

    @property
    def told(self) -> Any:
        """What the asset shows."""
        return latest(self.instance, self.asset.key)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    small_home.crown(tmp_path, "first")
    with in_environment(small_home.settings_at(tmp_path)):
        yield tmp_path


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def gate(home: Path, instance: dg.DagsterInstance) -> Gate:
    made = Gate(home, instance, rollout=None)
    assert made.tick() == 0, "nothing waits, whatever was decided before"
    return made


def stage(gate: Gate, number: int) -> Stage:
    return gate.registry.version(NAME, number).stage


def test_an_approval_promotes_the_version_that_waits_exactly_once(gate: Gate, home: Path) -> None:
    small_home.register(home, "second")
    assert gate.tick() == 1
    assert "mlplat models approve flights.arrival_delay 2 --reason WHY" in gate.told["versions"]
    assert (gate.tick(), stage(gate, 2)) == (0, Stage.STAGING), "it waits, and holds no run"
    gate.registry.approve(NAME, 2, approver=APPROVER, reason="better in winter")
    assert gate.tick() == 1
    assert (stage(gate, 2), gate.told["promoted"], gate.told["waits"]) == (Stage.PRODUCTION, 2, 0)
    assert gate.tick() == 0, "its own promotion asks for nothing"
    (promoted,) = [e for e in gate.registry.audit(NAME, version=2) if e.action is Action.PROMOTED]
    assert promoted.approver == APPROVER
    assert promoted.reason == f"approved ({APPROVER}: better in winter)"


def test_two_approvals_are_waited_for_and_a_lapse_is_told(gate: Gate, home: Path) -> None:
    terms = ApprovalTerms(required=2, valid=timedelta(days=3))
    small_home.register(home, "second", approval=terms)
    gate.registry.approve(NAME, 2, approver=APPROVER, reason="better")
    assert (gate.tick(), stage(gate, 2)) == (1, Stage.STAGING)
    assert "1 of 2" in gate.told["versions"]
    gate.now += timedelta(days=3, minutes=1)
    assert gate.tick() == 1
    assert f"the approval of {APPROVER} expired" in gate.told["versions"]
    assert gate.tick() == 0


def test_a_person_approves_by_materialising_with_a_verdict(gate: Gate, home: Path) -> None:
    small_home.register(home, "second")
    gate.materialise(version=2, reason="better", approver=APPROVER)
    assert stage(gate, 2) is Stage.PRODUCTION


def test_a_person_rejects_by_materialising_with_a_verdict(gate: Gate, home: Path) -> None:
    small_home.register(home, "second")
    found = gate.materialise(version=2, verdict="reject", reason="worse", approver=OTHER)
    assert stage(gate, 2) is Stage.STAGING
    assert f"rejected by {OTHER}" in gate.told["versions"]
    (check,) = found.get_asset_check_evaluations()
    assert (check.passed, check.description) == (False, "wait: version 2")


def test_the_author_s_verdict_in_the_launchpad_is_refused(gate: Gate, home: Path) -> None:
    small_home.register(home, "second")
    with pytest.raises(ApproverRefused, match="is not an approver"):
        gate.materialise(version=2, reason="mine", approver=small_home.AUTHOR)
    assert stage(gate, 2) is Stage.STAGING


def test_one_that_another_overtook_is_told_as_blocked_and_not_promoted(
    gate: Gate, home: Path
) -> None:
    small_home.register(home, "second")
    small_home.crown(home, "third")
    gate.registry.approve(NAME, 2, approver=APPROVER, reason="better")
    gate.tick()
    assert stage(gate, 2) is Stage.STAGING
    told = gate.told["versions"]
    assert "blocked: flights.arrival_delay version 2 was evaluated against version 1" in told
    assert "champion is now version 3; re-run evaluations/flights/arrival_delay" in told


def test_one_that_a_later_evaluation_refused_is_told_as_blocked_and_not_promoted(
    gate: Gate, home: Path
) -> None:
    small_home.register(home, "second")
    second = gate.registry.version(NAME, 2)
    assert gate.tick() == 1
    gate.registry.record_refusal(
        NAME, artifact_digest=second.artifact_digest, evidence_digest="sha256:1",
        reasons=["auc 0.6 < 0.7"], actor="ana", run_id="r",
    )  # fmt: skip
    assert (gate.tick(), stage(gate, 2)) == (1, Stage.STAGING)
    assert "refused by a later evaluation (auc 0.6 < 0.7)" in gate.told["versions"]


def test_with_a_rollout_the_approval_waits_for_the_rollout(
    home: Path, instance: dg.DagsterInstance
) -> None:
    gate = Gate(home, instance, rollout=Rollout())
    small_home.register(home, "second")
    gate.registry.approve(NAME, 2, approver=APPROVER, reason="better")
    assert (gate.tick(), stage(gate, 2)) == (1, Stage.STAGING)
    assert "| approved |" in gate.told["versions"]


def test_a_version_that_its_rollout_took_back_waits_no_more(
    home: Path, instance: dg.DagsterInstance
) -> None:
    gate = Gate(home, instance, rollout=Rollout())
    small_home.register(home, "second")
    assert (gate.tick(), gate.told["waits"]) == (1, 1)
    by: dict[str, Any] = {"actor": "controller", "reason": "errors"}
    rollouts = gate.registry.rollouts
    shadow = rollouts.begin(NAME, 2, (10,), **by)
    assert gate.tick() == 0
    rollouts.end(shadow, RolloutState.ROLLED_BACK, **by)
    assert (gate.tick(), gate.told["waits"]) == (1, 0)
    rollouts.begin(NAME, 2, (10,), **by)
    assert (gate.tick(), gate.told["waits"]) == (1, 1)
