"""A declared search is an asset: asked for, recorded in MLflow, and used by the next candidate."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from mlplat_assets.discovery import DeclarationError, Declared
from mlplat_assets.keys import key
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.search.asset import SearchRequest, run_search
from mlplat_assets.models.search.result import newest_search, with_best
from mlplat_assets.models.search.study import space_digest
from mlplat_assets.models.splits import Split
from mlplat_assets.models.tracking.runs import PARENT, tracking_client
from mlplat_assets.models.training_sets import LABEL
from mlplat_assets.search_checks import check_search
from mlplat_assets.search_spec import Choice, IntRange, Search, Uniform
from resources.digests import digest
from tests.models.search.problem import SPACE, TRAIN, VALIDATION, searching
from tests.small_home import settings_at

ROWS = digest("rows")
MANIFEST = {"model": "flights.arrivals", "training_set_digest": ROWS, "lake_snapshot": 41}
REQUEST = SearchRequest(trials=3)


def declared(spec: ModelSpec) -> Declared[ModelSpec]:
    return Declared(team="flights", name="arrivals", spec=spec, file=Path("arrivals.py"))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def searched(home: Path, spec: ModelSpec, request: SearchRequest = REQUEST) -> Any:
    """What a search found, its run in MLflow, and its trials as a table."""
    frames = [frame.rename({"late": LABEL}) for frame in (TRAIN, VALIDATION)]
    inputs: Any = SimpleNamespace(numeric=["delay"], categorical=["carrier"], auxiliary=[])
    return run_search(
        declared(spec),
        inputs,
        Split(train=frames[0], validation=frames[1], holdout=frames[1], periods={}),
        MANIFEST,
        settings_at(home),
        request,
        "0d1e2f3a-run",
        lambda trial, outcome: None,
    )


def test_a_search_and_its_trials_are_runs_in_mlflow_one_below_the_other(home: Path) -> None:
    spec = searching(space={**SPACE, "batch_size": Choice(options=(128, 0))})
    found, run, table = searched(home, spec, SearchRequest(trials=4))
    client = tracking_client(settings_at(home).tracking_url)
    parent = client.get_run(run.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["validation_auc"] == found["best_value"]
    assert parent.data.tags["dagster_run_id"] == "0d1e2f3a-run"
    assert parent.inputs
    (entry,) = parent.inputs.dataset_inputs
    assert ROWS[7:].startswith(entry.dataset.digest)
    below = client.search_runs([run.experiment_id], f"tags.`{PARENT}` = '{run.run_id}'")
    assert {r.data.tags["mlflow.parentRunId"] for r in below} == {run.run_id}
    statuses = [r.info.status for r in below]
    assert statuses.count("FINISHED") == found["trials"]["complete"] >= 1
    assert statuses.count("FAILED") == found["trials"].get("fail", 0) >= 1  # no batch of 0 rows
    best = next(r for r in below if r.info.run_name == f"trial {found['best_trial']}")
    assert best.data.params["hidden"] == str(found["best_parameters"]["hidden"])
    assert best.data.metrics["value"] == found["best_value"]
    losses = client.get_metric_history(best.info.run_id, "validation_loss")
    assert [m.step for m in losses] == [0, 1]
    assert table.count("\n") == 1 + len(below)


def test_what_was_found_says_where_it_comes_from(home: Path) -> None:
    found, _, _ = searched(home, searching())
    assert found["training_set_digest"] == ROWS
    assert found["study"].startswith("flights.arrivals-")
    assert found["trials"] == {"complete": 3}
    assert found["sampler_seed"] == 7
    assert set(found["best_parameters"]) == set(SPACE)


def report(instance: dg.DagsterInstance, found: dict[str, Any]) -> None:
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            key("searches", "flights", "arrivals"),
            metadata={"search": dg.MetadataValue.json(found)},
        )
    )


def test_the_best_overlays_what_is_declared_if_the_space_is_the_same(
    instance: dg.DagsterInstance,
) -> None:
    model = declared(searching())
    assert newest_search(instance, model) is None
    found = {"space_digest": space_digest(model.spec), "best_parameters": {"learning_rate": 0.02}}
    report(instance, found)
    assert newest_search(instance, model) == found
    tried = with_best(model, newest_search(instance, model)).spec.hyperparameters
    assert tried == {"epochs": 2, "batch_size": 128, "learning_rate": 0.02}
    elsewhere = declared(searching(space={"hidden": IntRange(low=2, high=8)}))
    assert newest_search(instance, elsewhere) is None
    assert newest_search(instance, declared(replace(model.spec, search=None))) is None
    assert with_best(elsewhere, None) is elsewhere


@pytest.mark.parametrize(
    ("search", "said"),
    [
        (Search(space={}), "search.space: is empty"),
        (Search(space=SPACE, trials=0), "search.trials: 0 is no number"),
        (Search(space=SPACE, metric="r2"), "search.metric: 'r2' is no metric of binary. Use one"),
        (Search(space={"a": Uniform(low=2, high=1)}), "search.space.a: 2 is not below 1"),
        (Search(space={"a": Uniform(low=0, high=1, log=True)}), "0 has no logarithm"),
        (Search(space={"a": IntRange(low=3, high=3)}), "3 is not below 3"),
        (Search(space={"a": Choice(options=(1,))}), "is no choice"),
        (Search(space={"a": Choice(options=(1, 2, 1))}), "is no choice"),
        (Search(space={"epochs": IntRange(low=4, high=9)}), "the declared 2 is not in IntRange"),
        (Search(space={"epochs": Choice(options=(4, 9))}), "the declared 2 is not in Choice"),
        (
            Search(space={"learning_rate": Uniform(low=0.01, high=0.1)}),
            "search.space.learning_rate: the declared 0.001 is not in Uniform",
        ),
    ],
)
def test_a_search_that_could_not_run_is_refused_when_it_is_declared(
    search: Search, said: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        check_search(declared(replace(searching(), search=search)))
    assert said in str(refused.value)


def test_a_search_that_could_run_is_none_the_worse() -> None:
    check_search(declared(searching()))
    check_search(declared(replace(searching(), search=None)))
