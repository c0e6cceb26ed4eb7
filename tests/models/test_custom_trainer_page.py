"""The trainer that docs/custom_trainer.md shows is trained and served as it stands there."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from bentos.model_server.artefact.predictor import Predictor
from mlplat_assets.models.artefact import input_columns, write_artefact
from mlplat_assets.models.trainers.fitting import fit
from mlplat_assets.models.trainers.settings import Fitting
from tests.models.test_trainer import CATEGORICAL, HOLDOUT, NUMERIC, TRAIN, VALIDATION

PAGE = (Path(__file__).parents[2] / "docs" / "custom_trainer.md").read_text()


def test_the_example_is_trained_and_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "our_trainers.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    fitted = fit(
        TRAIN,
        VALIDATION,
        trainer="our_trainers:Logistic",
        label="late",
        task="binary",
        numeric=NUMERIC,
        categorical=CATEGORICAL,
        hyperparameters={"rate": 0.05, "epochs": 4, "batch_size": 256},
        seed=7,
        folder=tmp_path / "fit",
        calibration="temperature",
    )
    assert fitted.validation["auc"] > 0.55
    assert fitted.hyperparameters["rate"] == 0.05
    served = Predictor.load(write_artefact(tmp_path / "artefact", fitted, {}))
    found = served.predict(input_columns(HOLDOUT, fitted.preprocessing))
    assert found.shape == (len(HOLDOUT),)


def test_every_setting_of_the_fitting_is_on_the_page() -> None:
    assert [item.name for item in fields(Fitting) if f"`{item.name}`" not in PAGE] == []
