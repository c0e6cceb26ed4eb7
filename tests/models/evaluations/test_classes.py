"""One order of classes for truth and every predictor, whatever each was trained on."""

import numpy as np
import polars as pl
import pytest

from mlplat_assets.models.evaluations.classes import aligned, classes_of, truth_of

LABEL = pl.Series("label", ["late", "early", "late", "lost"])


def test_a_class_that_only_the_holdout_has_comes_last_with_probability_0() -> None:
    classes = classes_of(("early", "late"), LABEL, "multiclass")
    assert classes == ("early", "late", "lost")
    assert truth_of(LABEL, classes).tolist() == [1, 0, 1, 2]
    found = aligned(np.array([[0.2, 0.8]]), ("early", "late"), classes)
    assert found.tolist() == [[0.2, 0.8, 0.0]]


def test_a_champion_of_other_classes_is_read_by_their_names() -> None:
    classes = ("early", "late")
    found = aligned(np.array([[0.1, 0.6, 0.3]]), ("diverted", "late", "early"), classes)
    assert found.tolist() == [[0.3, 0.6]]


def test_other_tasks_have_no_classes() -> None:
    flags = pl.Series("label", [True, False])
    assert classes_of((), flags, "binary") == ()
    assert truth_of(flags, ()).tolist() == [1.0, 0.0]
    assert aligned(np.array([0.3]), (), ()).tolist() == [0.3]


def test_a_card_without_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="names no classes"):
        classes_of((), LABEL, "multiclass")
