"""A training that cannot go well stops at once and says what to change; nothing is registered."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from torch import OutOfMemoryError

from mlplat_assets.models.trainers.failures import (
    LossNotFinite,
    TrainingOutOfMemory,
    naming_a_batch_size,
)
from mlplat_assets.models.trainers.fitting import fit
from tests.models import own_trainers
from tests.models.test_trainer import CATEGORICAL, NUMERIC, TRAIN, VALIDATION


def train(folder: Path, name: str = "OwnModule", **changes: Any) -> None:
    given = {"numeric": NUMERIC, "train": TRAIN, "auxiliary": ()} | changes
    fit(
        given.pop("train"),
        VALIDATION,
        trainer=f"{own_trainers.HERE}:{name}",
        label="late",
        task="binary",
        categorical=CATEGORICAL,
        hyperparameters={"epochs": 2, "batch_size": 256},
        seed=7,
        folder=folder,
        **given,
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("WithNanLoss", "training loss is nan at epoch 0, batch 3 of 16; lower .*learning_rate"),
        ("WithNanValidation", "validation loss is inf after epoch 0; lower .*learning_rate"),
    ],
)
def test_a_loss_that_is_no_number_stops_training_and_says_where(
    name: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(LossNotFinite, match=message):
        train(tmp_path, name)


def test_running_out_of_memory_names_the_batch_size_to_try(tmp_path: Path) -> None:
    message = "on cpu with hyperparameters batch_size 256 of 4000 .* batch_size to 128"
    with pytest.raises(TrainingOutOfMemory, match=message):
        train(tmp_path, "Greedy")


def test_a_gpu_out_of_memory_and_a_batch_of_one_row_are_told_apart() -> None:
    refused = pytest.raises(TrainingOutOfMemory, match=r"network smaller.*CUDA out of memory")
    with refused, naming_a_batch_size(1, 10, "H100"):
        raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
    other = pytest.raises(RuntimeError, match="shapes cannot be multiplied")
    with other, naming_a_batch_size(8, 10, "H100"):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"numeric": ["temp", "gone"]}, "'gone' is not in the training set .* materialise it"),
        ({"auxiliary": ["gone"]}, "auxiliary column 'gone' is not in the training set"),
        ({"auxiliary": ["carrier"]}, "auxiliary column 'carrier' is String"),
        ({"train": TRAIN.head(0)}, "0 of 0 rows are null"),
        ({"train": TRAIN.with_columns(late=pl.lit(None))}, "4000 of 4000 rows are null"),
    ],
)
def test_rows_that_do_not_fit_the_declaration_are_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        train(tmp_path, **changes)
