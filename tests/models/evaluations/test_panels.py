"""Pictures of an evaluation are PNG that repeat to the byte, whatever there is to draw."""

import struct

import numpy as np
import polars as pl
import pytest

from mlplat_assets.assessment.slices import judge_slices
from mlplat_assets.model_spec import Slice
from mlplat_assets.models.evaluations.importance import Importance
from mlplat_assets.models.evaluations.panels import importance_plot, score_plot, slice_plot
from mlplat_assets.models.plots import evaluation_plot
from mlplat_assets.statistics.intervals import rows

GENERATOR = np.random.default_rng(0)
PROBABILITY = GENERATOR.random(2000)
TRUTH = (GENERATOR.random(2000) < PROBABILITY).astype(float)
GIVEN = {"candidate": PROBABILITY, "champion": PROBABILITY**2}


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG")
    assert len(png) < 200_000
    return struct.unpack(">II", png[16:24])


def sliced(number: int):
    names = pl.Series("x", [f"value {i}" for i in range(number)])[np.arange(2000) % number]
    wanted = Slice(column="x", minimum_rows=20)
    return judge_slices(wanted, "binary", "auc", names, TRUTH, GIVEN, rows(2000), seed=1)


def test_scores_are_drawn_of_each_predictor() -> None:
    png = score_plot(TRUTH, GIVEN, title="t")
    assert png == score_plot(TRUTH, GIVEN, title="t")
    alone = score_plot(TRUTH, {"candidate": PROBABILITY}, title="t")
    three = score_plot(TRUTH, GIVEN | {"baseline": PROBABILITY}, title="t")
    assert size_of(alone)[0] == size_of(png)[0] < size_of(three)[0]
    constant = score_plot(TRUTH, {"candidate": np.full(2000, 0.3)}, title="t")
    assert size_of(constant) == size_of(alone)


def test_slices_take_a_line_each_and_at_most_forty() -> None:
    few, many, more = (size_of(slice_plot(sliced(n), title="t"))[1] for n in (3, 40, 60))
    assert few < many == more


def test_no_measured_slice_is_no_picture() -> None:
    wanted = Slice(column="x", minimum_rows=5000)
    column = pl.Series("x", ["a"] * 2000)
    small = judge_slices(wanted, "binary", "auc", column, TRUTH, GIVEN, rows(2000), seed=1)
    with pytest.raises(ValueError, match="no slice was measured"):
        slice_plot(small, title="t")


def test_importance_shows_the_first_inputs_and_every_view() -> None:
    def of(number: int) -> list[Importance]:
        return [
            Importance(name=f"input {i}", view="v", loss=0.1 / (i + 1), low=0.0, high=0.2)
            for i in range(number)
        ]

    shown = [size_of(importance_plot(of(n), of(3), "auc", title="t"))[1] for n in (5, 20, 50)]
    assert shown[0] < shown[1] == shown[2]


@pytest.mark.parametrize("classes", [3, 12])
def test_classes_have_a_picture_with_their_decisions(classes: int) -> None:
    truth = GENERATOR.integers(0, classes - 1, 900).astype(float)  # the last class never occurs
    odds = GENERATOR.random((900, classes)) + 1.5 * np.eye(classes)[truth.astype(int)]
    given = odds / odds.sum(axis=1, keepdims=True)
    png = evaluation_plot("multiclass", truth, {"candidate": given, "baseline": given}, title="t")
    width, height = size_of(png)
    assert width > 2 * height
