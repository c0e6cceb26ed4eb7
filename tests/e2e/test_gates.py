"""The gate holds three ways: in the run, in the registry, and in the automation."""

from dataclasses import replace

import dagster as dg
import pytest

from mlplat_assets.discovery import Catalogue
from mlplat_assets.model_spec import Gate
from resources.registry.errors import GateRefused
from resources.registry.records import Action
from tests.small_world import ARRIVAL, TRAINED, World

pytestmark = pytest.mark.xdist_group("world")
AMBITIOUS = "flights.too_ambitious"


@pytest.fixture(scope="module")
def ambitious(world: World) -> Catalogue:
    """The world's catalogue and one model more, which nothing could pass."""
    model = world.catalogue.models[ARRIVAL]
    spec = replace(model.spec, gates=(Gate(metric="auc", floor=0.99),))
    models = {AMBITIOUS: replace(model, name="too_ambitious", spec=spec)}
    return replace(world.catalogue, models=world.catalogue.models | models)


@pytest.fixture(scope="module")
def failed_run(world: World, ambitious: Catalogue) -> dg.ExecuteInProcessResult:
    """One run from training set to version."""
    chain = world.chain(AMBITIOUS, TRAINED)
    return world.materialise(chain, catalogue=ambitious, raise_on_error=False)


def test_a_failed_blocking_check_stops_the_version_in_the_same_run(
    world: World, failed_run: dg.ExecuteInProcessResult
) -> None:
    assert not failed_run.success
    checks = {c.check_name: c for c in failed_run.get_asset_check_evaluations()}
    assert not checks["meets_floors"].passed
    assert "below the floor 0.990" in (checks["meets_floors"].description or "")
    assert checks["beats_champion"].passed and checks["does_not_leak"].passed
    evaluated, version = world.chain(AMBITIOUS, ["evaluations", "versions"])
    assert world.instance.get_latest_materialization_event(evaluated) is not None
    assert world.instance.get_latest_materialization_event(version) is None


def test_the_refusal_and_its_reason_are_on_the_audit_log(
    world: World, failed_run: dg.ExecuteInProcessResult
) -> None:
    (entry,) = world.registry.audit(AMBITIOUS)
    assert entry.action is Action.REFUSED
    assert entry.run_id == failed_run.run_id
    assert entry.artifact_digest == world.metadata("evaluations", AMBITIOUS)["artifact_digest"]
    assert entry.reason.startswith("auc 0.")
    assert "below the floor 0.990" in entry.reason
    world.registry.verify_audit()


def test_the_registry_refuses_the_version_when_it_is_materialised_alone(
    world: World, ambitious: Catalogue, failed_run: dg.ExecuteInProcessResult
) -> None:
    assert not failed_run.success
    alone = world.chain(AMBITIOUS, ["versions"])
    with pytest.raises(GateRefused, match=r"auc 0\.\d+ is below the floor 0\.990"):
        world.materialise(alone, catalogue=ambitious)
    assert world.registry.versions(AMBITIOUS) == []
    assert world.registry.champion(AMBITIOUS) is None
