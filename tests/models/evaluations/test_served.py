"""Importance and budget are of the artefact as a service runs it."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlplat_assets.assessment.verdicts import Verdict
from mlplat_assets.model_spec import Budget
from mlplat_assets.models.evaluations.budget import (
    Footprint,
    folder_size,
    footprint,
    judge_budget,
)
from mlplat_assets.models.evaluations.importance import REPEATS, importances
from mlplat_assets.models.evaluations.served import Served, load
from resources.artifacts import artifact_store
from resources.digests import digest_of_bytes
from tests.bentos.artefacts import card, write_artefact

# The function behind `weather__temp`, which becomes an on-demand feature of two request fields.
ON_DEMAND = b"""
from types import SimpleNamespace

ON_DEMAND = SimpleNamespace(compute=lambda columns: {"temp": columns["seats"] * columns["wind"]})
"""
GENERATOR = np.random.default_rng(0)
ROWS = pl.DataFrame(
    {
        "carrier": GENERATOR.choice(["AA", "B6", "UA"], 1500),
        "origin": GENERATOR.choice(["EWR", "JFK"], 1500),
        "distance": GENERATOR.uniform(0, 4000, 1500),
        "is_holiday": GENERATOR.random(1500) < 0.1,
        "seats": GENERATOR.integers(1, 4, 1500),
        "wind": GENERATOR.normal(size=1500),
        "weather__temp": GENERATOR.normal(size=1500),
    }
)


def stored(folder: Path, document: dict[str, Any], sources: dict[str, bytes]) -> Served:
    made = write_artefact(folder / "made", bias=-2.0, document=document)
    for name, source in sources.items():
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_bytes(source)
    store = artifact_store(str(folder / "store"))
    return load(store, store.put_folder(made), threads=1)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return stored(tmp_path_factory.mktemp("plain"), card(), {})


@pytest.fixture(scope="module")
def on_demand(tmp_path_factory: pytest.TempPathFactory) -> Served:
    document = card()
    fields = [{"name": "seats", "dtype": "int"}, {"name": "wind", "dtype": "float"}]
    document["context"].append({"name": "wind", "dtype": "float", "description": ""})
    document["features"], document["views"] = [], []
    document["on_demand"] = [
        {
            "view": "flights.weather",
            "source": "on_demand/weather.py",
            "digest": digest_of_bytes(ON_DEMAND),
            "request": fields,
            "inputs": [],
            "features": [{"name": "temp", "dtype": "float"}],
            "columns": ["weather__temp"],
        }
    ]
    sources = {"on_demand/weather.py": ON_DEMAND}
    return stored(tmp_path_factory.mktemp("on_demand"), document, sources)


def truth_of(served: Served) -> np.ndarray:
    return (np.random.default_rng(1).random(1500) < served.predict(ROWS)).astype(float)


def test_inputs_are_what_a_request_or_the_store_gives(plain: Served, on_demand: Served) -> None:
    assert plain.inputs() == {
        "distance": "request",
        "weather__temp": "flights.weather",
        "carrier": "request",
        "is_holiday": "request",
    }
    assert list(on_demand.inputs()) == ["distance", "carrier", "is_holiday", "seats", "wind"]


def test_an_input_matters_by_what_the_model_makes_of_it(plain: Served) -> None:
    inputs, views = importances(plain, ROWS, truth_of(plain), "binary", "auc", seed=3)
    assert [each["name"] for each in inputs[:2]] == ["distance", "weather__temp"] or [
        each["name"] for each in inputs[:2]
    ] == ["weather__temp", "distance"]
    losses = {each["name"]: each for each in inputs}
    # The graph's weight of it is zero.
    assert losses["is_holiday"]["loss"] == 0
    for each in inputs:
        assert each["low"] <= each["loss"] <= each["high"]
    assert {each["name"] for each in views} == {"request", "flights.weather"}
    again = importances(plain, ROWS, truth_of(plain), "binary", "auc", seed=3)
    assert again == (inputs, views)


def test_a_metric_that_is_better_when_lower_loses_by_rising(plain: Served) -> None:
    inputs, _ = importances(plain, ROWS, truth_of(plain), "binary", "log_loss", seed=3)
    assert inputs[0]["loss"] > 0.01


def test_on_demand_features_follow_their_shuffled_inputs(on_demand: Served) -> None:
    inputs, views = importances(on_demand, ROWS, truth_of(on_demand), "binary", "auc", seed=3)
    losses = {each["name"]: each["loss"] for each in inputs}
    assert losses["wind"] > 0.05 and losses["seats"] > 0.005
    assert "weather__temp" not in losses
    assert [each["name"] for each in views] == ["request"]
    assert REPEATS > 1


def test_answers_of_columns_are_those_of_rows(plain: Served, on_demand: Served) -> None:
    for served in (plain, on_demand):
        columns = {name: ROWS[name].to_list() for name in served.inputs()}
        np.testing.assert_array_equal(served.answer(columns), served.predict(ROWS))


def test_a_footprint_is_measured_of_one_row_of_many_and_of_the_files(on_demand: Served) -> None:
    found = footprint(on_demand, ROWS.head(7))
    assert 0 < found["latency_p50_ms"] <= found["latency_p99_ms"] < 1000
    # 1,000 rows at once cost less than 1,000 times one.
    assert found["rows_per_second"] > 1000 / found["latency_p50_ms"]
    assert found["megabytes"] == folder_size(on_demand.folder) / 1e6
    expected = sum(len(each.read_bytes()) for each in on_demand.folder.rglob("*.*"))
    assert folder_size(on_demand.folder) == expected


def test_a_budget_holds_p99_and_size_and_nothing_that_is_not_declared() -> None:
    found = Footprint(latency_p50_ms=1.0, latency_p99_ms=5.0, rows_per_second=1e5, megabytes=2.0)
    assert judge_budget(Budget(), found) == []
    fits = judge_budget(Budget(latency_ms=5.0, megabytes=2.0), found)
    assert [each["verdict"] for each in fits] == [Verdict.PASS, Verdict.PASS]
    (slow,) = judge_budget(Budget(latency_ms=4.9), found)
    assert (slow["verdict"], slow["passed"]) == (Verdict.FAIL, False)
    assert slow["reason"] == "5 ms for one row at p99, over the budget of 4.9"
    (large,) = judge_budget(Budget(megabytes=1.9), found)
    assert not large["passed"]
