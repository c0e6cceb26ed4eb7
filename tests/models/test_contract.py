"""A team's LightningModule is trained like ours, and a wrong one is refused before it trains."""

import re
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bentos.model_server.artefact.predictor import Predictor
from mlplat_assets.models.artefact import input_columns, write_artefact
from mlplat_assets.models.trainers.contract import TrainerUnusable, Value, trainer_class
from mlplat_assets.models.trainers.feeding import class_indices, class_names, predict, tensors
from mlplat_assets.models.trainers.fitting import Fitted, fit
from tests.models import own_trainers
from tests.models.test_trainer import CATEGORICAL, HOLDOUT, NUMERIC, TRAIN, VALIDATION


def trained(folder: Path, name: str = "OwnModule", **hyperparameters: Value) -> Fitted:
    return fit(
        TRAIN,
        VALIDATION,
        trainer=f"{own_trainers.HERE}:{name}",
        label="late",
        task="binary",
        numeric=NUMERIC,
        categorical=CATEGORICAL,
        auxiliary=["minutes"],
        hyperparameters={"epochs": 2, "batch_size": 256, **hyperparameters},
        seed=7,
        folder=folder,
    )


def test_a_module_of_a_team_is_trained_and_served_as_onnx(tmp_path: Path) -> None:
    fitted = trained(tmp_path, width=16, epochs=4, rate=0.1)
    assert fitted.validation["auc"] > 0.6
    assert fitted.hyperparameters["width"] == 16
    served = Predictor.load(write_artefact(tmp_path / "artefact", fitted, {}))
    rows = tensors(HOLDOUT, fitted.preprocessing, "late", "binary")
    here = predict(fitted.module, rows, 512).numpy()
    there = served.predict(input_columns(HOLDOUT, fitted.preprocessing))
    assert np.abs(here - there).max() < 1e-6


def test_a_compiled_module_learns_the_same_and_exports(tmp_path: Path) -> None:
    plain, fitted = (
        trained(tmp_path / name, epochs=1, compile=name == "on") for name in ("off", "on")
    )
    write_artefact(tmp_path / "artefact", fitted, {})
    assert fitted.hyperparameters["compile"] is True
    assert fitted.history[0]["validation_loss"] == pytest.approx(
        plain.history[0]["validation_loss"], abs=0.02
    )


def test_an_auxiliary_outcome_is_learnt_beside_and_is_no_input(tmp_path: Path) -> None:
    fitted = trained(tmp_path, epochs=8, rate=0.1)
    assert "minutes" not in [*fitted.preprocessing["numeric"], *fitted.preprocessing["categorical"]]
    rows = tensors(
        HOLDOUT.with_columns(minutes=pl.when(pl.col("delay") > 20).then("minutes")),
        fitted.preprocessing,
        "late",
        "binary",
        auxiliary=["minutes"],
    )
    absent = HOLDOUT["delay"].fill_null(0) <= 20
    assert np.isnan(rows.auxiliary[:, 0].numpy()).tolist() == absent.to_list()
    beside = fitted.module.raw(rows.numeric, rows.categorical)[:, 1].detach().numpy() * 100  # pyright: ignore
    assert np.corrcoef(beside, HOLDOUT["minutes"].to_numpy())[0, 1] > 0.2


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "no_such_package:Own",
            "cannot import 'no_such_package': .* install the package",
        ),
        (
            "tests.models.own_trainers:Onw",
            "has no 'Onw'. Correct it: its LightningModules are .*Own",
        ),
        ("mlplat_assets.keys:Own", "has no 'Own'. Correct it: it has none"),
        ("tests.models.own_trainers:Network", r"no LightningModule \(torch.nn.* Derive the class"),
        ("mlplat_assets.keys:key", r"no LightningModule \(function\)"),
    ],
)
def test_a_path_that_leads_to_no_module_is_refused(path: str, message: str) -> None:
    with pytest.raises(TrainerUnusable, match=message) as refused:
        trainer_class(path)
    assert f"ModelSpec.trainer {path!r}" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("WithColumn", r"gives \[4, 1\] for 4 rows .* shape \[4\]: the probability of 1"),
        ("WithNan", r"nan.*the last row being all missing. NaN in numeric"),
        ("WithLogits", "which are no probabilities. Apply a sigmoid"),
        ("Unexportable", "does not export to ONNX: .*operator.* Use operators of ONNX opset 17"),
    ],
)
def test_a_module_that_cannot_be_served_is_refused_before_it_is_trained(
    name: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(TrainerUnusable, match=re.compile(message, re.DOTALL)):
        trained(tmp_path, name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("WithoutLoss", "training_step of WithoutLoss returned no loss"),
        ("WithoutValidation", "validation_step of WithoutValidation logged no 'validation_loss'"),
    ],
)
def test_a_module_that_breaks_the_contract_in_training_is_told_how(
    name: str, message: str, tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*training_step.* returned .None.*")
        with pytest.raises(ValueError, match=message):
            trained(tmp_path, name)


def test_a_hyperparameter_that_nobody_knows_is_named_with_those_that_are(tmp_path: Path) -> None:
    message = "'depth' is unknown; known are rate, width .*of the fitting, epochs, patience"
    with pytest.raises(ValueError, match=message):
        trained(tmp_path, depth=3)


def test_classes_are_sorted_as_their_values_sort() -> None:
    assert class_names(pl.Series("c", [10, 9, 2, 9, None]), "multiclass") == ("2", "9", "10")
    assert class_names(pl.Series("c", ["b", "a", "b"]), "multiclass") == ("a", "b")
    assert class_names(pl.Series("c", [1, 0]), "binary") == ()


@pytest.mark.parametrize("values", [["a", "a"], [None, "b"], [0.5, 1.5]])
def test_a_label_without_classes_is_refused(values: list[object]) -> None:
    with pytest.raises(ValueError, match="label 'c'"):
        class_names(pl.Series("c", values), "multiclass")


def test_a_class_that_no_training_row_has_is_named() -> None:
    assert class_indices(pl.Series("c", [2, 9, 2]), ("2", "9")).tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match=r"1 of 3 rows hold \['7'\], which no training row has"):
        class_indices(pl.Series("c", [2, 7, 2]), ("2", "9"))
