"""The table of calibration is that of `ece`, of a binary model and of the class decided."""

import json

import numpy as np
import pytest

from mlplat_assets.assessment.calibration import calibration_table
from mlplat_assets.metrics import score
from mlplat_assets.model_spec import Task

GENERATOR = np.random.default_rng(11)
PROBABILITY = GENERATOR.beta(1.2, 1.8, 3_000)
CLASSES = GENERATOR.dirichlet([1.0, 2.0, 3.0], 3_000)


@pytest.mark.parametrize(
    ("task", "predictions", "truth"),
    [
        ("binary", PROBABILITY, GENERATOR.random(3_000) < PROBABILITY**1.5),
        ("multiclass", CLASSES, GENERATOR.integers(0, 3, 3_000)),
    ],
)
def test_the_gaps_of_the_bins_weigh_to_the_calibration_error(
    task: Task, predictions: np.ndarray, truth: np.ndarray
) -> None:
    table = json.loads(json.dumps(calibration_table(task, truth, predictions)))
    assert table["rows"] == [300] * 10
    assert table["predicted"] == sorted(table["predicted"])
    gaps = np.abs(np.subtract(table["predicted"], table["observed"]))
    found = score(task, truth, predictions, ["ece"])["ece"]
    assert found > 0.02
    assert np.average(gaps, weights=table["rows"]) == pytest.approx(found)


def test_a_regression_has_no_table_and_neither_have_no_rows() -> None:
    assert calibration_table("regression", [1.0, 2.0], [1.5, 2.5]) is None
    assert calibration_table("binary", [], []) is None
    assert calibration_table("multiclass", [], []) is None
