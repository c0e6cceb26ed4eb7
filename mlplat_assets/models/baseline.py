"""The baseline beside every network: scikit-learn's boosted trees on the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from bentos.model_server.encoding import encode
from mlplat_assets.models.artefact import input_columns, learn_preprocessing
from mlplat_assets.models.metrics import score
from mlplat_assets.spec import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

# HistGradientBoosting bins every column in a byte: 255 bins, the missing one apart.
MAX_CATEGORIES = 255


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What boosted trees predict for the holdout, in its order, and how good that is."""

    predictions: "NDArray"
    metrics: dict[str, float]
    iterations: int


def fit_baseline(
    train: pl.DataFrame,
    validation: pl.DataFrame,
    holdout: pl.DataFrame,
    *,
    label: str,
    task: Task,
    numeric: Sequence[str],
    categorical: Sequence[str],
    seed: int,
) -> Baseline:
    """Boosted trees on `train`, stopped early on `validation`, scored on `holdout`.

    Categorical columns are native: a category is a code, and the rarest beyond 255 are one with
    the missing ones. The settings are scikit-learn's but for a slower rate and more trees.

    Raises:
        ValueError: A column is absent or not of its kind, or the holdout cannot be scored.
    """
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    preprocessing = learn_preprocessing(train, numeric, categorical)
    frequent = [frequent_codes(train[name], preprocessing, name) for name in categorical]

    def matrix(frame: pl.DataFrame) -> "NDArray":
        numbers, codes = encode(input_columns(frame, preprocessing), preprocessing)
        columns = [table[codes[:, i]] for i, table in enumerate(frequent)]
        return np.column_stack([numbers, *columns]).astype(np.float32)

    trees = HistGradientBoostingClassifier if task == "binary" else HistGradientBoostingRegressor
    model = trees(
        learning_rate=0.1,
        max_iter=400,
        early_stopping=True,
        n_iter_no_change=15,
        categorical_features=list(range(len(numeric), len(numeric) + len(categorical))),
        random_state=seed,
    )
    truth = [frame[label].cast(pl.Float64).to_numpy() for frame in (train, validation, holdout)]
    model.fit(matrix(train), truth[0], X_val=matrix(validation), y_val=truth[1])
    rows = matrix(holdout)
    found = model.predict_proba(rows)[:, 1] if task == "binary" else model.predict(rows)
    return Baseline(
        predictions=found, metrics=score(task, truth[2], found), iterations=int(model.n_iter_)
    )


def frequent_codes(column: pl.Series, preprocessing: dict[str, object], name: str) -> "NDArray":
    """A table from the code of a category to the tree's: rank by frequency, NaN for the rest."""
    import numpy as np

    known = preprocessing["categorical"]
    assert isinstance(known, dict)
    codes = {category: index + 1 for index, category in enumerate(known[name])}
    table = np.full(len(codes) + 1, np.nan)
    counts = (
        column.drop_nulls()
        .cast(pl.String)
        .value_counts()
        .sort(["count", column.name], descending=[True, False])
    )
    for rank, category in enumerate(counts[column.name].head(MAX_CATEGORIES).to_list()):
        table[codes[category]] = rank
    return table
