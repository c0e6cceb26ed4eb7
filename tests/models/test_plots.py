"""Plots are PNG images that draw every predictor, small enough for an asset's metadata."""

import struct

import numpy as np
import pytest

from mlplat_assets.model_spec import Task
from mlplat_assets.models.plots import curves, evaluation_plot

GENERATOR = np.random.default_rng(0)
PROBABILITY = GENERATOR.random(3000)
TRUTH: dict[Task, np.ndarray] = {
    "binary": (GENERATOR.random(3000) < PROBABILITY).astype(int),
    "regression": PROBABILITY * 60 + GENERATOR.normal(size=3000) * 10,
}


def picture(task: Task, names: tuple[str, ...] = ("network", "baseline")) -> bytes:
    scale = 1 if task == "binary" else 60
    found = {name: PROBABILITY * scale * (1 - 0.1 * i) for i, name in enumerate(names)}
    return evaluation_plot(task, TRUTH[task], found, title="flights.arrival_delay")


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_an_evaluation_is_one_wide_png_of_at_most_200_kb(task: Task) -> None:
    png = picture(task)
    assert png.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", png[16:24])
    assert width > 2 * height > 800
    assert len(png) < 200_000


def test_the_same_rows_give_the_same_bytes_and_the_baseline_shows() -> None:
    assert picture("binary") == picture("binary")
    assert picture("binary") != picture("binary", ("network",))


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_constant_predictions_are_drawn(task: Task) -> None:
    assert evaluation_plot(task, TRUTH[task], {"network": np.full(3000, 0.5)}, title="constant")


def test_curves_run_from_nothing_to_everything_and_enclose_the_exact_area() -> None:
    from sklearn.metrics import roc_auc_score

    false_rate, true_rate, precision = curves(TRUTH["binary"].astype(float), PROBABILITY)
    assert (false_rate[0], true_rate[0], false_rate[-1], true_rate[-1]) == (0, 0, 1, 1)
    assert len(precision) == len(true_rate) <= 401
    area = np.trapezoid(true_rate, false_rate)
    assert area == pytest.approx(roc_auc_score(TRUTH["binary"], PROBABILITY), abs=1e-3)


def test_predictors_of_another_length_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="of another length: baseline"):
        evaluation_plot("binary", [0, 1], {"network": [0.1, 0.2], "baseline": [0.1]}, title="x")
