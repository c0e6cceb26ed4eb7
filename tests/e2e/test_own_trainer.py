"""A team's LightningModule, and a model of classes, go from a spec to a served prediction."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mlplat_assets.catalogue import read_catalogue
from mlplat_assets.demo.plan import Days
from mlplat_assets.demo.replay import requests
from mlplat_assets.discovery import Catalogue
from mlplat_assets.models.cluster_training import TrainingRequest
from mlplat_assets.models.training import read_manifest, read_split, train
from tests.bentos.servers import call, serving
from tests.declarations import copied_declarations
from tests.models import own_trainers
from tests.small_world import SERVED, TRAINED, World

pytestmark = pytest.mark.xdist_group("world")
OWN, CLASSES = "flights.own_delay", "flights.departs_from"
DAY = Days(first=date(2013, 2, 18), last=date(2013, 2, 18))
HEAD = '''"""{what}"""

from mlplat_assets.model_spec import Gate, ModelSpec, TimeSplit
from mlplat_assets.spec import Field

MODEL = ModelSpec(
    context=(Field(name="distance", dtype="int", description="Miles", minimum=1, maximum=6000),),
    split=TimeSplit(train_days=20, validation_days=7, holdout_days=7),
    approvers=("dana@flights.example.com",),
'''
DECLARATIONS = {
    "own_delay": HEAD.format(what="Lateness, by a module of the team's own.")
    + """    task="binary",
    label="flights.arrival_delay:is_late",
    auxiliary=("arrival_delay_minutes",),
    features=("flights.weather", "flights.carrier_recent"),
    entity_features=("carrier",),
    trainer="tests.models.own_trainers:WithAverage",
    hyperparameters={"epochs": 2, "rate": 0.05},
    gates=(Gate(metric="auc", floor=0.4),),
)
""",
    "departs_from": HEAD.format(what="The airport that a carrier's flight of a length leaves from.")
    + """    task="multiclass",
    label="flights.arrival_delay:origin",
    features=("flights.carrier_recent",),
    entity_features=("carrier", "dest"),
    hyperparameters={"epochs": 2},
    gates=(Gate(metric="macro_auc", floor=0.6),),
)
""",
}


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    copy = copied_declarations(tmp_path_factory.mktemp("package"))
    for name, text in DECLARATIONS.items():
        (copy / "mlplat_assets/models/catalog/flights" / f"{name}.py").write_text(text)
    return read_catalogue(copy / "mlplat_assets", copy / "dbt_project")


@pytest.fixture
def mine(world: World, declared: Catalogue) -> Iterator[World]:
    """The world with two models more."""
    yield replace(world, catalogue=declared)
    own_trainers.dies_at(None)


def answered(world: World, name: str) -> dict[str, Any]:
    """What the Bento of the promoted version answers to a request of the day."""
    world.promote(name, 1)
    world.materialise(world.chain(name, SERVED))
    model, inputs = world.model(name)
    _, bodies = next(requests(world.lake, model, inputs, DAY))
    with serving(world.metadata("bentos", name)["bento"], world.home) as server:
        status, answer = call(server.port, "POST", "/v1/predict", bodies[0])
    assert status == 200, answer
    return answer


def test_a_killed_training_of_a_teams_module_goes_on_and_is_served(mine: World) -> None:
    mine.materialise(mine.chain(OWN, TRAINED[:1]))
    assert "auxiliary__arrival_delay_minutes" in mine.training_rows(OWN).columns
    model, inputs = mine.model(OWN)
    manifest = read_manifest(mine.artifacts, mine.metadata("training_sets", OWN))
    parts = read_split(model, manifest, mine.artifacts)
    own_trainers.dies_at(3)
    with pytest.raises(own_trainers.Died):
        train(model, inputs, parts, manifest, mine.settings, "killed-run", TrainingRequest())
    own_trainers.dies_at(None)
    mine.materialise(mine.chain(OWN, TRAINED[1:]))
    made = mine.metadata("candidates", OWN)
    assert made["resumptions"] == 1
    folder = mine.artifacts.get_folder(made["artifact_digest"])
    assert {Path(file).suffix for file in folder.rglob("*.*")} <= {".json", ".onnx", ".safetensors"}
    version = mine.registry.version(OWN, 1)
    assert version.lineage["trainer"] == "tests.models.own_trainers:WithAverage"
    assert version.lineage["weights_digest"] == version.lineage["files"]["weights.safetensors"]
    answer = answered(mine, OWN)
    assert 0 < answer["prediction"] < 1
    assert not any("auxiliary" in name for name in answer["feature_status"])


def test_a_model_of_classes_answers_with_one_and_is_monitored(mine: World) -> None:
    mine.materialise(mine.chain(CLASSES, TRAINED))
    answer = answered(mine, CLASSES)
    assert sorted(answer["probabilities"]) == ["EWR", "JFK", "LGA"]
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    top = max(answer["probabilities"], key=lambda name: answer["probabilities"][name])
    assert answer["prediction"] == top
    mine.materialise(mine.chain(CLASSES, ("predictions", "drift", "performance")), DAY)
    assert mine.metadata("performance", CLASSES)["labelled"] == 1
