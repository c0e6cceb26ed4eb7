"""A search between training set and candidate, on real flights."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from mlplat_assets.discovery import Catalogue
from mlplat_assets.keys import Stage, key
from mlplat_assets.models.handoff import latest
from mlplat_assets.search_spec import Search, Uniform
from tests.small_world import ARRIVAL, World

SPACE = {"learning_rate": Uniform(low=1e-3, high=1e-2, log=True)}


@pytest.fixture
def searching(world: World) -> Catalogue:
    """The world's models, of which one declares a search."""
    model = world.catalogue.models[ARRIVAL]
    spec = replace(model.spec, search=Search(space=SPACE, trials=2))
    models = {**world.catalogue.models, ARRIVAL: replace(model, spec=spec)}
    return replace(world.catalogue, models=models)


@pytest.fixture
def beside(world: World, tmp_path: Path) -> Iterator[World]:
    """The world with an instance of its own that knows of the training set only."""
    with dg.DagsterInstance.ephemeral() as instance:
        rows = key("training_sets", "flights", "arrival_delay")
        instance.report_runless_asset_event(
            dg.AssetMaterialization(rows, metadata=dict(latest(world.instance, rows)))
        )
        yield replace(world, instance=instance)


def test_the_candidate_after_a_search_is_trained_with_the_best(
    beside: World, searching: Catalogue
) -> None:
    stages: tuple[Stage, ...] = ("searches", "candidates")
    done = beside.materialise(beside.chain(ARRIVAL, stages), catalogue=searching)
    assert done.success
    found = beside.metadata("searches", ARRIVAL)["search"]
    assert found["trials"] == {"complete": 2}
    made = beside.metadata("candidates", ARRIVAL)
    folder = beside.artifacts.get_folder(made["artifact_digest"])
    lineage = json.loads((folder / "card.json").read_text())["lineage"]
    assert lineage["search"] == found
    assert lineage["hyperparameters"]["learning_rate"] == found["best_parameters"]["learning_rate"]
    assert lineage["hyperparameters"]["epochs"] == 1
    assert made["validation_auc"] == pytest.approx(found["best_value"])
