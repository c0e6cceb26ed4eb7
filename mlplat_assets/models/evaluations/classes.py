"""The classes of a multiclass model: one order of them for truth and for every predictor."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from mlplat_assets.model_spec import Task


def classes_of(own: Sequence[str], label: pl.Series, task: Task) -> tuple[str, ...]:
    """The candidate's classes in its order, then those that only the holdout has; else none.

    A class that a predictor does not know has probability 0: it was missed, and metrics say so.
    """
    if task != "multiclass":
        return ()
    if not own:
        raise ValueError("the candidate's card names no classes; train it again")
    found = set(label.cast(pl.String).drop_nulls().unique().to_list())
    return (*own, *sorted(found - set(own)))


def truth_of(label: pl.Series, classes: Sequence[str]) -> np.ndarray:
    """The label [n] as metrics take it: a number, or the index of the class."""
    if not classes:
        return label.cast(pl.Float64).to_numpy()
    known = {name: float(index) for index, name in enumerate(classes)}
    return label.cast(pl.String).replace_strict(known, return_dtype=pl.Float64).to_numpy()


def aligned(predictions: np.ndarray, own: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Probabilities [n, K] with a column for each of `classes`; others' predictions as they are.

    What a predictor gives to a class that is none of these is left out.
    """
    if not classes:
        return predictions
    columns = np.zeros((len(predictions), len(classes)))
    for place, name in enumerate(own):
        if name in classes:
            columns[:, classes.index(name)] = predictions[:, place]
    return columns
