"""What the service reads online is what training read from the lake, value for value."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from bentos.model_server.endpoint import Endpoint
from bentos.model_server.journal.segments import Journal, read_segments
from bentos.model_server.routing.versions import Routing, Target
from mlplat_assets.demo.plan import Days
from mlplat_assets.demo.replay import Arrivals, requests
from mlplat_assets.discovery import Declared
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.monitoring.predictions import ingest
from mlplat_assets.monitoring.skew import SkewReport, audit
from mlplat_assets.monitoring.skew_checks import skew_checks
from resources.dagster_bindings import RESOURCES
from resources.online_store import online_store
from resources.registry.registry import utc_now
from tests.small_world import ARRIVAL, DEPARTURE, World, in_environment

pytestmark = pytest.mark.xdist_group("world")
REPLAYED = Days(first=date(2013, 2, 7), last=date(2013, 2, 9))  # a snow storm closes the airports
DECISIONS = 300
SERVED = Days(first=date(2013, 2, 5), last=date(2013, 2, 5))


@pytest.mark.parametrize("name", [ARRIVAL, DEPARTURE])
def test_served_inputs_equal_the_training_rows_of_the_same_flights(
    world: World, name: str, tmp_path: Path
) -> None:
    model, inputs = world.model(name)
    trained = {row["unit_id"]: row for row in world.training_rows(name).iter_rows(named=True)}
    store = online_store(f"sqlite:///{tmp_path / 'online.sqlite'}")
    endpoint = in_process(world, name, store, tmp_path)
    arrivals = Arrivals(world.lake, [view for view, _ in inputs.views().values()], REPLAYED)
    labelled = 0
    for moment, bodies in requests(world.lake, model, inputs, REPLAYED):
        arrivals.release(store, moment)
        for body in bodies:
            labelled += body["unit_id"] in trained
            if body["unit_id"] in trained and labelled % 4 == 0:
                assert asyncio.run(endpoint.answer(body)).status == 200
    store.close()
    served, _ = read_segments(tmp_path / "journal", {})
    assert len(served) >= DECISIONS
    absent = 0
    for record in served:
        row = trained[record["unit_id"]]
        vector = vector_of(record)
        assert set(inputs.numeric + inputs.categorical) <= set(vector)
        assert {column: row[column] for column in vector} == vector, record["feature_times"]
        absent += list(vector.values()).count(None)
    assert absent > 0, "missing values are among what was compared"


def test_the_audit_finds_every_value_exact_and_names_the_view_that_was_served_stale(
    world: World, tmp_path: Path
) -> None:
    def audited(name: str, stale: tuple[str, ...]) -> tuple[SkewReport, dg.AssetCheckEvaluation]:
        """Serve a day with some views stopped at its noon, and audit what was logged."""
        model, _ = world.model(DEPARTURE)
        model = replace(model, name=name)  # a table of its own: other tests count predictions
        serve(world, tmp_path / name, stale)
        ingest(world.lake, tmp_path / name / "journal", f"predictions.flights__{name}")
        return audit(world.lake, model, world.catalogue, DECISIONS), checked(world, model)

    honest, passes = audited("audited", stale=())
    assert passes.passed and "of 300 predictions of 2013-02-05" in (passes.description or "")
    assert honest.predictions == DECISIONS and honest.exact
    assert {one.match_rate for one in honest.features} == {1.0}
    frozen, fails = audited("audited_frozen", stale=("flights.weather",))
    assert not fails.passed and fails.severity is dg.AssetCheckSeverity.ERROR
    found = world.lake.read(
        """select feature, compared - matches as wrong, reasons
           from predictions.flights__audited_frozen__skew where matches < compared"""
    ).to_pylist()
    assert found and all(row["reasons"] == f'{{"stale": {row["wrong"]}}}' for row in found)
    wrong = {one.feature.split("__")[0] for one in frozen.features if one.match_rate < 1}
    assert wrong == {"weather"}
    reasons = {reason for one in frozen.features for reason in one.reasons}
    assert reasons == {"stale"}


def checked(world: World, model: Declared[ModelSpec]) -> dg.AssetCheckEvaluation:
    """What the daily check says of the model."""
    team = world.catalogue.teams["flights"]
    checks = skew_checks(team, replace(world.catalogue, models={model.full_name: model}))
    assert checks is not None
    with in_environment(world.settings):
        ran = dg.materialize(
            [checks], resources=RESOURCES, selection=dg.AssetSelection.checks(checks)
        )
    (evaluation,) = ran.get_asset_check_evaluations()
    return evaluation


def serve(world: World, folder: Path, stale: tuple[str, ...]) -> None:
    model, inputs = world.model(DEPARTURE)
    views = [view for view, _ in inputs.views().values()]
    store = online_store(f"sqlite:///{folder / 'online.sqlite'}")
    endpoint = in_process(world, DEPARTURE, store, folder)
    fresh = Arrivals(world.lake, [v for v in views if v.full_name not in stale], SERVED)
    frozen = Arrivals(world.lake, [v for v in views if v.full_name in stale], SERVED)
    noon = datetime(2013, 2, 5, 12, tzinfo=UTC)
    for moment, bodies in requests(world.lake, model, inputs, SERVED):
        fresh.release(store, moment)
        if moment.replace(tzinfo=UTC) <= noon:
            frozen.release(store, moment)
        for body in bodies:
            assert asyncio.run(endpoint.answer(body)).status == 200
    store.close()


def in_process(world: World, name: str, store: Any, folder: Path) -> Endpoint:
    champion = world.registry.champion(name)
    assert champion is not None
    routing = Routing(model=name)
    target = Target(version=1, artifact_digest=champion.artifact_digest)
    routing.activate(routing.load(target, world.artifacts.get_folder(champion.artifact_digest)))
    return Endpoint(
        routing=routing,
        store=store,
        journal=Journal(folder / "journal", utc_now),
        bento="",
        clock=utc_now,
    )


def vector_of(record: dict[str, Any]) -> dict[str, Any]:
    return {**record["entities"], **record["context"], **record["features"]}
