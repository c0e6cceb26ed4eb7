"""Served probabilities of classes come into the lake and are scored against late labels."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mlplat_assets.metrics import score
from mlplat_assets.monitoring.performance.served import outcomes
from mlplat_assets.monitoring.predictions import ingest
from resources.lake import Lake
from tests.small_home import crown, open_lake, settings_at, write_prediction

TABLE = "predictions.flights__arrival_delay"


def taken_in(home: Path) -> Lake:
    lake = open_lake(home)
    ingest(lake, settings_at(home).journal / "flights.arrival_delay", TABLE)
    return lake


def test_probabilities_reach_a_lake_whose_table_knew_none(tmp_path: Path) -> None:
    version = crown(tmp_path, "first")
    write_prediction(tmp_path, version)
    lake = taken_in(tmp_path)
    with lake.write() as connection:
        connection.execute(f"alter table {TABLE} drop column probabilities")
    probabilities = {"b": 0.75, "a": 0.25}
    write_prediction(tmp_path, version, prediction=0.75, probabilities=probabilities)
    taken_in(tmp_path)
    found = lake.read(f"select prediction, probabilities from {TABLE} order by 1").to_pydict()
    assert found["prediction"] == [0.2371, 0.75]
    assert found["probabilities"][0] is None
    assert json.loads(found["probabilities"][1]) == probabilities


def test_outcomes_of_classes_are_scored_like_those_of_evaluation() -> None:
    rows = pl.DataFrame(
        {
            "day": [date(2013, 1, 5)] * 4,
            "label": [2, 9, 2, 7],
            "prediction": [
                json.dumps(p)
                for p in ({"9": 0.4, "2": 0.6}, {"9": 0.9, "2": 0.1}, {"2": 1.0}, {"2": 1.0})
            ],
        }
    )
    truth, predicted = outcomes(rows, "multiclass")
    assert truth.tolist() == [0, 2, 0, 1]
    assert predicted.tolist() == [[0.6, 0, 0.4], [0.1, 0, 0.9], [1, 0, 0], [1, 0, 0]]
    assert score("multiclass", truth, predicted)["accuracy"] == pytest.approx(0.75)


def test_outcomes_of_numbers_are_as_they_are() -> None:
    rows = pl.DataFrame({"label": [0, 1], "prediction": [0.2, 0.9]})
    truth, predicted = outcomes(rows, "binary")
    assert np.array_equal(truth, [0, 1])
    assert np.array_equal(predicted, [0.2, 0.9])
