"""One new file of at most 40 lines is a model with its assets, checks, training and service."""

import shutil
from dataclasses import replace
from datetime import date

import pytest

from mlplat_assets.catalogue import read_catalogue
from mlplat_assets.definitions import CHAIN, assemble
from mlplat_assets.demo.plan import Days
from mlplat_assets.demo.replay import requests
from mlplat_assets.discovery import PACKAGE, Catalogue
from mlplat_assets.features.transform import DBT_PROJECT
from tests.bentos.servers import call, serving
from tests.small_world import SERVED, TRAINED, World

pytestmark = pytest.mark.xdist_group("world")
NAME = "flights.arrival_minutes"
DECLARATION = '''"""Minutes, two hours before departure, by which a flight will arrive late."""

from mlplat_assets.model_spec import Gate, ModelSpec, TimeSplit
from mlplat_assets.spec import Field

MODEL = ModelSpec(
    task="regression",
    label="flights.arrival_delay:arrival_delay_minutes",
    features=("flights.weather", "flights.aircraft_last_leg:arrival_delay"),
    entity_features=("carrier", "origin"),
    context=(
        Field(name="distance", dtype="int", description="Miles", minimum=1, maximum=6000),
    ),
    split=TimeSplit(train_days=20, validation_days=7, holdout_days=7),
    hyperparameters={"epochs": 1},
    gates=(Gate(metric="mae", floor=60.0),),
    approvers=("dana@flights.example.com",),
)
'''


@pytest.fixture(scope="module")
def with_a_third(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """The declarations of a copy of the package's catalogue, with one file more."""
    package = tmp_path_factory.mktemp("package")
    shutil.copy(PACKAGE / "teams.toml", package)
    for stage in ("features", "models"):
        shutil.copytree(PACKAGE / stage / "catalog", package / stage / "catalog")
    (package / "models" / "catalog" / "flights" / "arrival_minutes.py").write_text(DECLARATION)
    return read_catalogue(package, DBT_PROJECT)


def test_one_short_file_gives_a_model_its_whole_chain(
    world: World, with_a_third: Catalogue
) -> None:
    assert len(DECLARATION.splitlines()) <= 40
    assert set(with_a_third.models) - set(world.catalogue.models) == {NAME}
    graph = assemble(with_a_third).resolve_asset_graph()
    mine = {k.path[0] for k in graph.get_all_asset_keys() if k.path[-1] == "arrival_minutes"}
    theirs = {k.path[0] for k in graph.get_all_asset_keys() if k.path[-1] == "arrival_delay"}
    assert len(mine) == len(CHAIN) + len({"alerts", "retrainings"})
    assert mine == theirs - {"labels"}
    checks = {(c.asset_key.path[0], c.name) for c in graph.asset_check_keys
              if c.asset_key.path[-1] == "arrival_minutes"}  # fmt: skip
    assert {
        ("training_sets", "does_not_leak"),
        ("evaluations", "meets_floors"),
        ("evaluations", "beats_champion"),
        ("endpoints", "serves_the_champion"),
        ("drift", "within_tolerance"),
    } <= checks


def test_the_new_model_is_trained_promoted_built_and_served(
    world: World, with_a_third: Catalogue
) -> None:
    world.materialise(world.chain(NAME, TRAINED), catalogue=with_a_third)
    world.promote(NAME, 1)
    world.materialise(world.chain(NAME, SERVED), catalogue=with_a_third)
    bento = world.metadata("bentos", NAME)["bento"]
    assert bento == "flights__arrival_minutes:v1"
    model, inputs = replace(world, catalogue=with_a_third).model(NAME)
    day = date(2013, 2, 18)
    _, bodies = next(requests(world.lake, model, inputs, Days(first=day, last=day)))
    with serving(bento, world.home) as server:
        status, answer = call(server.port, "POST", "/v1/predict", bodies[0])
    assert status == 200, answer
    assert (answer["model"], answer["version"]) == (NAME, 1)
    assert -60 < answer["prediction"] < 300
    assert set(answer["feature_status"]) == {feature.column for feature in inputs.features}
