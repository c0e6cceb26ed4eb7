"""The baseline beside every network: scikit-learn's boosted trees on the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from bentos.model_server.artefact.encoding import encode
from mlplat_assets.metrics import score
from mlplat_assets.model_spec import Task
from mlplat_assets.models.artefact import Preprocessing, input_columns, learn_preprocessing
from mlplat_assets.models.evaluations.classes import aligned, classes_of, truth_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

# HistGradientBoosting bins every column in a byte: 255 bins, the missing one apart.
MAX_CATEGORIES = 255


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What boosted trees predict for the holdout, in its order, and how good that is.

    Probabilities [n, K] of a multiclass model are in the order of `classes`, else empty.
    """

    predictions: "NDArray"
    classes: tuple[str, ...]
    metrics: dict[str, float]


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
    threads: int = 1,
) -> Baseline:
    """Boosted trees on `train`, stopped by `validation`; categories beyond 255 count as missing.

    Raises:
        ValueError: A column is absent or not of its kind, or the holdout cannot be scored.
    """
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    preprocessing = learn_preprocessing(train, numeric, categorical)
    parts = (train, validation, holdout)
    codes = [frequent_codes(train[name], preprocessing, name) for name in categorical]
    known, stop, rows = (matrix(part, preprocessing, codes) for part in parts)
    kind = pl.String if task == "multiclass" else pl.Float64
    known_truth, stop_truth = (part[label].cast(kind).to_numpy() for part in parts[:2])
    # Trees refuse a class among the stopping rows that they did not learn.
    kept = np.isin(stop_truth, known_truth) if task != "regression" else slice(None)
    trees = (
        HistGradientBoostingRegressor if task == "regression" else HistGradientBoostingClassifier
    )
    model = trees(
        max_iter=400,
        early_stopping=True,  # pyright: ignore[reportArgumentType] - inferred from a default
        n_iter_no_change=15,
        categorical_features=np.arange(len(categorical)) + len(numeric),  # pyright: ignore
        random_state=seed,
    )
    # OpenMP's threads spin while they wait: on two busy cores, two took 48 s of processor time for
    # the 5 s that one takes.
    with threadpool_limits(threads):
        model.fit(known, known_truth, X_val=stop[kept], y_val=stop_truth[kept])
        regressed = isinstance(model, HistGradientBoostingRegressor)
        found = model.predict(rows) if regressed else model.predict_proba(rows)
    own = () if task != "multiclass" else tuple(map(str, model.classes_))  # pyright: ignore
    predictions = found[:, 1] if task == "binary" else found
    classes = classes_of(own, holdout[label], task)
    truth = truth_of(holdout[label], classes)
    metrics = score(task, truth, aligned(predictions, own, classes))
    return Baseline(predictions=predictions, classes=own, metrics=metrics)


def matrix(
    frame: pl.DataFrame, preprocessing: Preprocessing, codes: Sequence["NDArray"]
) -> "NDArray":
    """Numeric columns, then the trees' codes of the categorical ones, float32 with NaN."""
    import numpy as np

    numbers, coded = encode(input_columns(frame, preprocessing), preprocessing)
    columns = [table[coded[:, i]] for i, table in enumerate(codes)]
    return np.column_stack([numbers, *columns]).astype(np.float32)


def frequent_codes(column: pl.Series, preprocessing: Preprocessing, name: str) -> "NDArray":
    """A table from the code of a category to the tree's: rank by frequency, NaN for the rest."""
    import numpy as np

    known = preprocessing["categorical"][name]
    codes = {category: index + 1 for index, category in enumerate(known)}
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
