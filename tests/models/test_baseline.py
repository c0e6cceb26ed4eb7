"""The baseline of classes answers in the order it names, with one column for each."""

import numpy as np
import polars as pl

from mlplat_assets.metrics import score
from mlplat_assets.models.baseline import fit_baseline
from mlplat_assets.models.evaluations.classes import aligned, classes_of, truth_of

GENERATOR = np.random.default_rng(0)
CODES = GENERATOR.integers(0, 3, 1500)
FRAME = pl.DataFrame(
    {
        "x": CODES + GENERATOR.normal(size=1500) * 0.4,
        "carrier": GENERATOR.choice(["AA", "UA"], 1500),
        "label": np.array(["early", "late", "diverted"])[CODES],
    }
)


def test_probabilities_of_classes_follow_their_names() -> None:
    # A class that training never saw, among the rows that stop it and among those judged.
    strange = pl.DataFrame({"x": [9.0], "carrier": ["AA"], "label": ["lost"]})
    validation = pl.concat([FRAME[800:1100], strange])
    holdout = pl.concat([FRAME[1100:], strange])
    found = fit_baseline(
        FRAME[:800],
        validation,
        holdout,
        label="label",
        task="multiclass",
        numeric=["x"],
        categorical=["carrier"],
        seed=1,
    )
    assert found.classes == ("diverted", "early", "late")
    assert found.predictions.shape == (401, 3)
    classes = classes_of(found.classes, holdout["label"], "multiclass")
    assert classes[-1] == "lost"
    truth = truth_of(holdout["label"], classes)
    again = score("multiclass", truth, aligned(found.predictions, found.classes, classes))
    assert again == found.metrics
    assert found.metrics["accuracy"] > 0.75
