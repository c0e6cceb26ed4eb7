"""What a network is compared with on the same rows: boosted trees twice, and a linear model.

Trees get the categories as such and stop by validation log loss, as the network does. Their
settings had the best validation AUC of three tried each; leaves and learning rate matter most.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

ROUNDS, PATIENCE = 3000, 60


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Numeric columns with NaN, then codes of categories with 0 for missing, and the labels."""

    columns: "Matrix"
    target: "Matrix"
    numeric: int

    @property
    def with_missing(self) -> "Matrix":
        """The codes from 0 on, NaN where the category is missing or unseen."""
        codes = self.columns[:, self.numeric :]
        shifted = np.where(codes == 0, np.nan, codes - 1)
        return np.column_stack([self.columns[:, : self.numeric], shifted]).astype(np.float32)


def lightgbm(train: Encoded, validation: Encoded, test: Encoded, seed: int) -> "Matrix":
    """Probabilities of the test rows."""
    from lightgbm import Dataset, early_stopping
    from lightgbm import train as boost

    columns = list(range(train.numeric, train.columns.shape[1]))
    learnt = Dataset(train.with_missing, train.target, categorical_feature=columns)
    settings = {
        "objective": "binary",
        "num_leaves": 63,
        "learning_rate": 0.03,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "min_data_in_leaf": 100,
        "cat_smooth": 50,
        "lambda_l2": 5.0,
        "num_threads": 1,
        "seed": seed,
        "verbose": -1,
    }
    held = learnt.create_valid(validation.with_missing, validation.target)
    stop = early_stopping(PATIENCE, verbose=False)
    model = boost(settings, learnt, ROUNDS, valid_sets=[held], callbacks=[stop])
    return np.asarray(model.predict(test.with_missing), np.float32)


def histgb(train: Encoded, validation: Encoded, test: Encoded, seed: int) -> "Matrix":
    """Probabilities of the test rows; every vocabulary here fits the 255 bins."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingClassifier(
        learning_rate=0.04,
        max_iter=ROUNDS,
        max_leaf_nodes=31,
        min_samples_leaf=200,
        l2_regularization=5.0,
        max_features=0.5,
        early_stopping=True,  # pyright: ignore[reportArgumentType] - inferred from a default
        n_iter_no_change=PATIENCE,
        categorical_features=np.arange(train.numeric, train.columns.shape[1]),  # pyright: ignore
        random_state=seed,
    )
    with threadpool_limits(1):
        model.fit(
            train.with_missing,
            train.target,
            X_val=validation.with_missing,
            y_val=validation.target,
        )
        return model.predict_proba(test.with_missing)[:, 1].astype(np.float32)


def logistic(train: Encoded, validation: Encoded, test: Encoded, seed: int) -> "Matrix":
    """Probabilities of the test rows; a missing number is the median and a flag."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, RobustScaler
    from threadpoolctl import threadpool_limits

    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), RobustScaler())
    model = make_pipeline(
        make_column_transformer(
            (numbers, slice(0, train.numeric)),
            (OneHotEncoder(handle_unknown="ignore"), slice(train.numeric, None)),
        ),
        LogisticRegression(C=0.1, max_iter=300, tol=1e-3, random_state=seed),
    )
    with threadpool_limits(1):
        model.fit(train.columns, train.target)
        return model.predict_proba(test.columns)[:, 1].astype(np.float32)


CONTENDERS = {"lightgbm": lightgbm, "histgb": histgb, "logistic": logistic}
