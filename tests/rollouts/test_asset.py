"""Rollouts in Dagster: every look a materialisation, asked for by one sensor."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from mlplat_assets.definitions import model_assets
from mlplat_assets.keys import key
from mlplat_assets.rollouts.asset import CHECK, RATIO, rollout
from mlplat_assets.rollouts.sensor import TAG, rollouts_due
from tests.resources.registry_cases import MODEL, crown, register
from tests.rollouts.place import Place, declared

KEY = key("rollouts", *MODEL.split("."))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    crown(made.registry, "a")
    return made


def materialised(place: Place, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    model, found = declared()
    resources = {"lake": place.lake, "registry": place.registry, "settings": place.settings}
    return dg.materialize([rollout(model, found)], instance=instance, resources=resources)


def test_a_look_is_a_materialisation_with_its_evidence_and_a_check(
    place: Place, instance: dg.DagsterInstance
) -> None:
    register(place.registry, "b", 1)
    begun = materialised(place, instance)
    place.serve(300, off=0.4)
    place.clock.forward(minutes=1)
    back = materialised(place, instance)
    checks = [ran.get_asset_check_evaluations()[0] for ran in (begun, back)]
    assert [(each.check_name, each.passed) for each in checks] == [(CHECK, True), (CHECK, False)]
    event = instance.get_latest_materialization_event(KEY)
    assert event is not None and event.asset_materialization is not None
    found = event.asset_materialization.metadata
    assert (found["state"].value, found["version"].value, found["moved"].value) == (
        "rolled_back", 2, True,
    )  # fmt: skip
    assert "data:image/png" in str(found["split"].value)
    assert "| PSI of predictions | VIOLATED |" in str(found["guardrails"].value)


def test_units_that_do_not_arrive_in_their_shares_fail_a_check_of_their_own(
    place: Place, instance: dg.DagsterInstance
) -> None:
    register(place.registry, "b", 1)
    materialised(place, instance)
    place.step(300)
    place.serve(6000, losing=0.4)
    place.clock.forward(hours=1)
    ran = materialised(place, instance).get_asset_check_evaluations()
    assert {each.check_name: each.passed for each in ran} == {CHECK: True, RATIO: False}
    assert "units arrive at the version" in (ran[1].description or "")


def test_the_sensor_asks_for_a_look_when_there_is_something_to_decide(
    place: Place, instance: dg.DagsterInstance
) -> None:
    model, found = declared()
    (sensor,) = rollouts_due(found)
    graph = dg.Definitions(
        assets=[rollout(model, found)],
        sensors=[sensor],
        resources={"lake": place.lake, "registry": place.registry, "settings": place.settings},
    )
    cursor: str | None = None

    def tick() -> list[str]:
        nonlocal cursor
        resources = {"registry": place.registry, "settings": place.settings}
        context = dg.build_sensor_context(
            instance=instance, cursor=cursor, resources=resources, definitions=graph
        )
        ticked = sensor.evaluate_tick(context)
        cursor = ticked.cursor
        for request in ticked.run_requests or []:
            assert request.asset_selection == [KEY] and request.tags[TAG] == MODEL
        return [request.tags["mlplat/because"] for request in ticked.run_requests or []]

    assert tick() == []
    register(place.registry, "b", 1)
    assert tick() == ["version 2 was registered"]
    assert tick() == []
    materialised(place, instance)
    assert tick() == ["somebody decided something"]
    assert tick() == []
    assert set(json.loads(cursor or "")) == {MODEL}


def test_a_model_without_a_rollout_has_no_such_asset_and_no_sensor() -> None:
    model, found = declared()
    with_one = {each.key for each in model_assets(model, found)}
    assert KEY in with_one

    none = replace(model, spec=replace(model.spec, rollout=None))
    without = replace(found, models={name: none for name in found.models})
    assert KEY not in {each.key for each in model_assets(none, found)}
    assert rollouts_due(without) == []
