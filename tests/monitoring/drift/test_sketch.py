"""Counts add up, whatever the parts, and need no more room for more rows."""

from functools import reduce
from operator import add

import numpy as np
import polars as pl
import pytest

from mlplat_assets.monitoring.drift.separation import separation
from mlplat_assets.monitoring.drift.sketch import Sketch
from mlplat_assets.monitoring.drift.verdict import profiled_columns
from tests.monitoring.drift.counted import compared, counted
from tests.monitoring.drift.served_days import POLICY, answers, inputs
from tests.monitoring.drift.test_verdict import profile_of

TRAINING = inputs(5_000, 0)
PROFILE = profile_of(TRAINING, answers(TRAINING))


def sketch(frame: pl.DataFrame) -> Sketch:
    """Of inputs and what the model answers."""
    rows = frame.with_columns(pl.Series("prediction", answers(frame)))
    return counted(rows, profiled_columns(PROFILE))


def test_a_window_is_the_sum_of_its_parts() -> None:
    window = inputs(1_000, 1)
    whole = sketch(window)
    parts = reduce(add, (sketch(part) for part in (window[:1], window[1:400], window[400:])))
    assert parts.rows == whole.rows == 1_000
    for name, column in whole.columns.items():
        other = parts.columns[name]
        assert (column.counts == other.counts).all() and column.nulls == other.nulls
        assert (column.least, column.greatest) == (other.least, other.greatest)
        assert column.total == pytest.approx(other.total)


def test_a_sketch_has_the_size_of_its_profile() -> None:
    small, large = (sketch(inputs(rows, 1)) for rows in (100, 10_000))
    assert [len(one.counts) for one in small.columns.values()] == [
        len(one.counts) for one in large.columns.values()
    ]


def test_a_card_of_format_1_still_has_a_verdict() -> None:
    older = {
        name: {
            key: value
            for key, value in column.items()
            if key not in ("fine", "infinite_share", "null_threshold", "type")
        }
        for name, column in profiled_columns(PROFILE).items()
    }
    prediction = older.pop("prediction")
    card: dict[str, object] = {"rows": 5_000, "columns": older, "prediction": prediction}
    for shift, verdict in ((0.0, "OK"), (1.0, "DRIFT")):
        window = inputs(1_000, 1, shift)
        report = compared(window, answers(window), card, POLICY)  # type: ignore[arg-type]
        assert report.verdict == verdict
        assert report.columns[0].measures.wasserstein is None


def test_a_classifier_finds_what_no_single_column_shows() -> None:
    random = np.random.default_rng(0)
    one = random.normal(size=(2, 3_000))
    before = pl.DataFrame({"a": one[0], "b": one[1], "c": ["x", None, "y"] * 1_000})
    now = pl.DataFrame({"a": one[0], "b": one[0] + 0.1 * one[1], "c": ["x", None, "y"] * 1_000})
    found, same = separation(before, now), separation(before[:1_500], before[1_500:])
    assert found and found.auc.low > 0.9 and found.tells
    assert same and same.auc.low < 0.5 < same.auc.high and not same.tells
    assert separation(before, now[:199]) is None


def test_a_classifier_takes_nulls_infinities_and_new_categories() -> None:
    before = pl.DataFrame({"a": [1.0, None, float("inf")] * 200, "b": ["x"] * 600})
    now = pl.DataFrame({"a": [1.0, None, float("-inf")] * 200, "b": ["new"] * 600})
    found = separation(before, now)
    assert found and found.auc.estimate == 1
