"""A model with on-demand features is served exactly what it was trained on, also from its Bento."""

import asyncio
import json
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bentos.model_server.artefact.predictor import ArtifactUnusable
from bentos.model_server.journal.segments import read_segments
from bentos.model_server.routing.versions import Routing, Target
from mlplat_assets.catalogue import read_catalogue
from mlplat_assets.demo.plan import Days
from mlplat_assets.demo.replay import Arrivals, requests
from mlplat_assets.discovery import PACKAGE, Catalogue
from mlplat_assets.features.transform import DBT_PROJECT
from mlplat_assets.models.evaluations.served import load
from mlplat_assets.monitoring.explanation import explain
from mlplat_assets.monitoring.predictions import ingest
from resources.digests import digest_of_file
from resources.online_store import online_store
from tests.bentos.servers import call, serving
from tests.e2e.test_skew import in_process, vector_of
from tests.small_world import SERVED, TRAINED, World

pytestmark = pytest.mark.xdist_group("world")
NAME = "flights.tight_schedule"
VIEW = "flights.schedule_pressure"
SOURCE = "on_demand/flights__schedule_pressure.py"
REPLAYED = Days(first=date(2013, 2, 7), last=date(2013, 2, 9))  # a snow storm closes the airports
DECLARATION = '''"""Late arrivals, by how tight the schedule is."""

from mlplat_assets.model_spec import Gate, ModelSpec, TimeSplit
from mlplat_assets.spec import Field

MODEL = ModelSpec(
    task="binary",
    label="flights.arrival_delay:is_late",
    features=(
        "flights.schedule_pressure",
        "flights.origin_recent:departures_3h",
        "flights.weather:temp",
    ),
    entity_features=("carrier",),
    context=(
        Field(name="distance", dtype="int", description="Miles", minimum=1, maximum=6000),
        Field(name="scheduled_minutes", dtype="int", description="Gate to gate", minimum=20),
        Field(name="local_hour", dtype="int", description="Local", minimum=0, maximum=23),
    ),
    split=TimeSplit(train_days=20, validation_days=7, holdout_days=7),
    hyperparameters={"epochs": 1},
    gates=(Gate(metric="auc", floor=0.5),),
    approvers=("dana@flights.example.com",),
)
'''
COLUMNS = {
    "schedule_pressure__scheduled_speed": pl.Float64,
    "schedule_pressure__slack_minutes": pl.Int64,
    "schedule_pressure__is_evening_peak": pl.Boolean,
    "schedule_pressure__traffic": pl.String,
    "schedule_pressure__delay_trend": pl.Float64,
}


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """The declarations of a copy of the package's catalogue, and the model's."""
    package = tmp_path_factory.mktemp("package")
    shutil.copy(PACKAGE / "teams.toml", package)
    for stage in ("features", "models"):
        shutil.copytree(PACKAGE / stage / "catalog", package / stage / "catalog")
    (package / "models" / "catalog" / "flights" / "tight_schedule.py").write_text(DECLARATION)
    return read_catalogue(package, DBT_PROJECT)


@pytest.fixture(scope="module")
def trained(world: World, declared: Catalogue) -> World:
    """The model trained, promoted and built."""
    if world.registry.champion(NAME) is None:
        world.materialise(world.chain(NAME, TRAINED), catalogue=declared)
        world.promote(NAME, 1)
        world.materialise(world.chain(NAME, SERVED), catalogue=declared)
    return replace(world, catalogue=declared)


def test_the_training_set_holds_the_features_and_what_they_were_computed_from(
    trained: World,
) -> None:
    rows = trained.training_rows(NAME)
    assert {name: rows.schema[name] for name in COLUMNS} == COLUMNS
    speed = rows["distance"] * 60 / rows["scheduled_minutes"]
    assert (rows["schedule_pressure__scheduled_speed"] == speed).all()
    trend = (
        rows["origin_recent__departure_delay_mean_1h"]
        - rows["origin_recent__departure_delay_mean_3h"]
    )
    assert rows["schedule_pressure__delay_trend"].equals(trend, check_names=False)
    peak = rows["local_hour"].is_between(16, 19)
    assert (rows["schedule_pressure__is_evening_peak"] == peak).all()
    traffic = rows["schedule_pressure__traffic"]
    assert set(traffic.unique()) >= {"quiet", "usual", "dense"}
    assert (traffic.is_null() == rows["origin_recent__departures_3h"].is_null()).all()
    assert 0 < trend.null_count() < rows.height


def test_the_artefact_carries_the_source_and_lineage_names_it(trained: World) -> None:
    version = trained.registry.version(NAME, 1)
    folder = trained.artifacts.get_folder(version.artifact_digest)
    card = json.loads((folder / "card.json").read_text())
    (entry,) = card["on_demand"]
    declaration = trained.catalogue.on_demand[VIEW].file
    assert (folder / SOURCE).read_bytes() == declaration.read_bytes()
    assert entry["digest"] == digest_of_file(declaration) == version.lineage["on_demand"][VIEW]
    assert entry["columns"] == list(COLUMNS)
    assert set(COLUMNS) <= set(card["profile"]["columns"])
    assert "origin_recent__departure_delay_mean_1h" not in card["profile"]["columns"]


def test_a_changed_source_is_not_loaded(trained: World, tmp_path: Path) -> None:
    digest = trained.registry.version(NAME, 1).artifact_digest
    folder = tmp_path / "artefact"
    shutil.copytree(trained.artifacts.get_folder(digest), folder)
    source = folder / SOURCE
    routing = Routing(model=NAME)
    target = Target(version=1, artifact_digest=digest)
    assert routing.load(target, folder).on_demand
    source.chmod(0o644)
    source.write_text(source.read_text().replace("460", "500"))
    with pytest.raises(ArtifactUnusable, match="but the card was made with"):
        routing.load(target, folder)
    source.unlink()
    with pytest.raises(ArtifactUnusable, match="flights__schedule_pressure"):
        routing.load(target, folder)


def test_a_champion_is_judged_with_its_own_functions(trained: World) -> None:
    """Not with the values that a later definition left in the training set."""
    digest = trained.registry.version(NAME, 1).artifact_digest
    rows = trained.training_rows(NAME).head(500)
    later = rows.with_columns(schedule_pressure__scheduled_speed=pl.lit(0.0))
    champion = load(trained.artifacts, digest, threads=1)
    assert (champion.predict(later) == champion.predict(rows)).all()


def test_served_vectors_equal_the_training_rows(trained: World, tmp_path: Path) -> None:
    store = online_store(f"sqlite:///{tmp_path / 'online.sqlite'}")
    endpoint = in_process(trained, NAME, store, tmp_path)
    for body in arriving(trained, store, every=5):
        answer = asyncio.run(endpoint.answer(body))
        assert answer.status == 200, answer.body
    store.close()
    assert_equal_to_training(trained, read_segments(tmp_path / "journal", {})[0])


def test_the_bento_serves_the_same_over_http_and_each_answer_can_be_explained(
    trained: World, tmp_path: Path
) -> None:
    bento = trained.metadata("bentos", NAME)["bento"]
    online = f"sqlite:///{tmp_path / 'online.sqlite'}"
    store = online_store(online)
    environment = {"MLPLAT_ONLINE_URL": online, "MLPLAT_JOURNAL": str(tmp_path / "journal")}
    with serving(bento, trained.home, **environment) as server:
        for body in arriving(trained, store, every=5):
            status, answer = call(server.port, "POST", "/v1/predict", body)
            assert status == 200, answer
            assert set(COLUMNS) <= set(answer["feature_status"])
    store.close()
    records, _ = read_segments(tmp_path / "journal", {})
    assert_equal_to_training(trained, records)
    ingest(trained.lake, tmp_path / "journal" / NAME, "predictions.flights__tight_schedule")
    found = explain(records[0]["prediction_id"], trained.lake, trained.registry)
    (computed,) = found.computed
    source = trained.catalogue.on_demand[VIEW].file
    assert (computed.view, computed.digest) == (VIEW, digest_of_file(source))
    assert computed.values == {name: records[0]["features"][name] for name in COLUMNS}
    recent = next(view for view in found.views if view.view == "flights.origin_recent")
    assert list(recent.values) == ["origin_recent__departures_3h"]


def arriving(world: World, store: Any, every: int) -> Any:
    """Requests of labelled flights in time order, each when the features of its time are there."""
    model, inputs = world.model(NAME)
    known = set(world.training_rows(NAME)["unit_id"])
    arrivals = Arrivals(world.lake, [view for view, _ in inputs.views().values()], REPLAYED)
    number = 0
    for moment, bodies in requests(world.lake, model, inputs, REPLAYED):
        arrivals.release(store, moment)
        for body in bodies:
            number += body["unit_id"] in known
            if body["unit_id"] in known and number % every == 0:
                yield body


def assert_equal_to_training(world: World, records: list[dict[str, Any]]) -> None:
    rows = {row["unit_id"]: row for row in world.training_rows(NAME).iter_rows(named=True)}
    _, inputs = world.model(NAME)
    missing = 0
    for record in records:
        vector = vector_of(record)
        assert set(inputs.numeric + inputs.categorical) <= set(vector)
        assert {name: rows[record["unit_id"]][name] for name in vector} == vector
        assert set(record["feature_times"]) == {"flights.origin_recent", "flights.weather"}
        for name in COLUMNS:
            statuses = record["feature_status"]
            status = statuses.get(name, statuses["*"])
            assert status == ("NULL" if vector[name] is None else "PRESENT")
            missing += vector[name] is None
    assert len(records) >= 200
    assert missing > 0, "missing values are among what was compared"
