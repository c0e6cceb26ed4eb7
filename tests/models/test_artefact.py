"""An artefact's graph predicts what the network predicts, and its bytes repeat."""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from bentos.model_server.artefact.encoding import encode
from bentos.model_server.artefact.predictor import Predictor
from mlplat_assets.model_spec import Task
from mlplat_assets.models.artefact import input_columns, write_artefact
from mlplat_assets.models.trainers.contract import Batch
from mlplat_assets.models.trainers.feeding import predict
from mlplat_assets.models.trainers.fitting import Fitted
from tests.models.test_trainer import HOLDOUT, trained

CARD = {"format": 1, "model": "flights.arrival_delay", "task": "binary"}


def torch_predictions(fitted: Fitted, frame: pl.DataFrame) -> np.ndarray:
    numeric, categorical = encode(input_columns(frame, fitted.preprocessing), fitted.preprocessing)
    none = torch.zeros(len(frame))
    rows = Batch(torch.from_numpy(numeric), torch.from_numpy(categorical), none, none)
    return predict(fitted.module, rows, 512).numpy()


def hard_rows() -> pl.DataFrame:
    """Rows with everything missing, unseen categories, outliers and infinities."""
    return pl.DataFrame(
        {
            "temp": [None, math.nan, 1e30, -1e30, math.inf, -math.inf, 60.0],
            "delay": [None, 1.0, None, 0.0, -1e9, math.nan, 1e300],
            "carrier": [None, "ZZ", "AA", "", "B6", "UA", "aa"],
            "holiday": [None, True, False, None, True, False, True],
        }
    )


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_the_served_graph_predicts_what_the_network_predicts(task: Task, tmp_path: Path) -> None:
    fitted = trained(tmp_path / "work", task)
    served = Predictor.load(write_artefact(tmp_path / "artefact", fitted, CARD))
    for frame in (HOLDOUT, HOLDOUT.head(1), hard_rows()):
        here = torch_predictions(fitted, frame)
        there = served.predict(input_columns(frame, fitted.preprocessing))
        assert there.dtype == np.float32
        assert there.shape == (len(frame),)
        assert np.isfinite(there).all()
        scale = max(1.0, float(abs(here).max()))
        assert abs(here - there).max() <= 1e-5 * scale


def test_a_regression_is_served_in_units_of_its_label(tmp_path: Path) -> None:
    fitted = trained(tmp_path / "work", "regression")
    served = Predictor.load(write_artefact(tmp_path / "artefact", fitted, CARD))
    found = served.predict(input_columns(HOLDOUT, fitted.preprocessing))
    assert found.mean() == pytest.approx(HOLDOUT["minutes"].mean(), rel=0.1)


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    digests = []
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        fitted = trained(tmp_path / "work" / name, seed=seed)
        folder = write_artefact(tmp_path / name, fitted, CARD)
        files = sorted(folder.iterdir())
        digests.append({file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files})
    assert digests[0] == digests[1]
    assert digests[0]["weights.safetensors"] != digests[2]["weights.safetensors"]
    assert sorted(digests[0]) == [
        "card.json",
        "model.onnx",
        "preprocessing.json",
        "weights.safetensors",
    ]


def test_the_weights_and_documents_read_back_as_written(tmp_path: Path) -> None:
    fitted = trained(tmp_path / "work", epochs=1)
    folder = write_artefact(tmp_path / "artefact", fitted, CARD)
    weights = load_file(folder / "weights.safetensors")
    assert all(
        torch.equal(weights[name], value) for name, value in fitted.module.state_dict().items()
    )
    assert json.loads((folder / "preprocessing.json").read_text()) == fitted.preprocessing
    assert json.loads((folder / "card.json").read_text()) == CARD


def test_the_order_of_categorical_columns_survives_the_file(tmp_path: Path) -> None:
    folder = write_artefact(tmp_path / "artefact", trained(tmp_path / "work", epochs=1), CARD)
    text = (folder / "preprocessing.json").read_text()
    assert list(json.loads(text)["categorical"]) == ["holiday", "carrier"]


def test_an_artefact_is_never_written_over_another(tmp_path: Path) -> None:
    fitted = trained(tmp_path / "work", epochs=1)
    write_artefact(tmp_path / "artefact", fitted, CARD)
    with pytest.raises(FileExistsError, match="not empty"):
        write_artefact(tmp_path / "artefact", fitted, CARD)


def test_a_card_with_nan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_artefact(
            tmp_path / "artefact", trained(tmp_path / "work", epochs=1), CARD | {"auc": math.nan}
        )
