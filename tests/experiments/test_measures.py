"""Measures of classes, and of a label that is not known yet, against the library's metrics."""

import math

import duckdb
import pytest

from mlplat_assets.experiments.measures import measured
from mlplat_assets.metrics import log_losses
from mlplat_assets.model_spec import Task

CLASSES = ("a", "b", 'it\'s "c"')


def values(measure: str, task: Task, rows: list[tuple[object, ...]]) -> list[float | None]:
    """Of rows of prediction, probabilities and label."""
    with duckdb.connect() as connection:
        connection.execute("create table p (n int, prediction double, probabilities varchar)")
        kind = "varchar" if task == "multiclass" else "integer"
        connection.execute(f"create table l (n int, label {kind})")
        for number, (prediction, probabilities, label) in enumerate(rows):
            connection.execute(
                "insert into p values (?, ?, ?)", [number, prediction, probabilities]
            )
            connection.execute("insert into l values (?, ?)", [number, label])
        asked = f"select {measured(measure, task, 'label')} from p join l using (n) order by n"
        return [row[0] for row in connection.execute(asked).fetchall()]


ROWS: list[tuple[object, ...]] = [
    (0.7, '{"a":0.7,"b":0.2,"it\'s \\"c\\"":0.1}', "a"),
    (0.7, '{"a":0.7,"b":0.2,"it\'s \\"c\\"":0.1}', CLASSES[2]),
    (0.6, '{"a":0.4,"b":0.6}', CLASSES[2]),
    (0.6, '{"a":0.4,"b":0.6}', None),
]


def test_a_class_counts_by_its_probability_and_an_unknown_one_as_impossible() -> None:
    import numpy as np

    probabilities = np.array([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1], [0.4, 0.6, 0.0]])
    theirs = log_losses(np.array([0, 2, 2]), probabilities)
    assert values("log_loss", "multiclass", ROWS) == [*map(pytest.approx, theirs), None]
    assert values("correct", "multiclass", ROWS) == [1.0, 0.0, 0.0, None]


@pytest.mark.parametrize("measure", ["absolute_error", "squared_error", "log_loss", "correct"])
def test_a_label_that_is_not_known_yet_has_no_value(measure: str) -> None:
    known, unknown = values(measure, "binary", [(0.25, None, 1), (0.25, None, None)])
    assert unknown is None
    assert known == pytest.approx(
        {"absolute_error": 0.75, "squared_error": 0.5625, "log_loss": math.log(4), "correct": 0.0}[
            measure
        ]
    )


def test_a_sure_mistake_costs_much_and_not_everything() -> None:
    (found,) = values("log_loss", "binary", [(0.0, None, 1)])
    assert found == pytest.approx(36.04, abs=0.01)
