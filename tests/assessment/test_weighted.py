"""A metric under whole weights is the metric of the rows repeated so often."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlplat_assets.assessment.weighted import (
    binary,
    multiclass,
    regression,
    resampled,
)
from mlplat_assets.metrics import score
from mlplat_assets.model_spec import METRICS, Task
from mlplat_assets.statistics.intervals import Units, rows
from mlplat_assets.statistics.ranked import Ranked

WAYS: dict[Task, Any] = {"binary": binary, "multiclass": multiclass, "regression": regression}

WANTED = ("brier", "ece")


def drawn(task: Task, generator: np.random.Generator, size: int, levels: int) -> Any:
    """Truth and predictions with ties, every class at least once."""
    if task == "regression":
        truth = generator.normal(size=size).round(1)
        return truth, truth + generator.normal(size=size).round(1)
    classes = 2 if task == "binary" else 3
    truth = generator.integers(0, classes, size).astype(float)
    truth[:classes] = range(classes)
    if task == "binary":
        return truth, generator.integers(0, levels + 1, size) / levels
    odds = generator.integers(1, levels + 1, (size, classes)).astype(float)
    return truth, odds / odds.sum(axis=1, keepdims=True)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_metric_equals_that_of_repeated_rows(data: st.DataObject) -> None:
    task: Task = data.draw(st.sampled_from(list(WAYS)))
    size, days = data.draw(st.integers(8, 60)), data.draw(st.integers(1, 6))
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    truth, predicted = drawn(task, generator, size, data.draw(st.integers(1, 40)))
    codes = np.concatenate((np.zeros(3, int), generator.integers(0, days, size - 3)))
    weights = generator.integers(0, 4, (4, days)).astype(float)
    weights[:, 0] += 1  # the day that has every class
    units = Units(codes=codes, count=days, kind="day")
    found = WAYS[task](truth, predicted, units, METRICS[task])(weights)
    assert set(found) == set(METRICS[task]) - ({"auc"} if task == "binary" else set())
    for place, each in enumerate(weights):
        repeated = np.repeat(np.arange(size), each[codes].astype(int))
        if task == "regression" and np.ptp(truth[repeated]) == 0:
            continue
        expected = score(task, truth[repeated], predicted[repeated], list(found))
        for name, value in expected.items():
            assert found[name][place] == pytest.approx(value, abs=1e-9), name


def test_a_resample_without_a_class_has_no_ranking() -> None:
    ranked = Ranked(np.array([0.0, 1.0]), np.array([0.3, 0.6]), rows(2))
    ranked.accumulate(np.array([[2.0, 0.0], [1.0, 1.0]]))
    assert np.isnan(ranked.auc()[0]) and np.isnan(ranked.average_precision()[0])
    assert ranked.auc()[1] == 1


def test_predictors_meet_the_same_draws_and_a_seed_repeats_them() -> None:
    generator = np.random.default_rng(0)
    truth, predicted = drawn("binary", generator, 400, 400)
    units = Units(codes=np.arange(400) % 20, count=20, kind="day")
    once = resampled("binary", truth, {"a": predicted, "b": predicted}, units, 7, WANTED)
    again = resampled("binary", truth, {"a": predicted}, units, 7, WANTED)
    other = resampled("binary", truth, {"a": predicted}, units, 8, WANTED)
    np.testing.assert_array_equal(once["a"]["brier"], once["b"]["brier"])
    np.testing.assert_array_equal(once["a"]["ece"], again["a"]["ece"])
    assert (once["a"]["brier"] != other["a"]["brier"]).any()
