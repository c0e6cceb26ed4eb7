"""A training that breaks off goes on where it was, and ends with the very same bytes."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from mlplat_assets.model_spec import Task
from mlplat_assets.models.trainers.checkpoints import (
    DOCUMENT,
    CheckpointUnusable,
    PlainCheckpoints,
)
from mlplat_assets.models.trainers.fitting import Fitted, fit
from tests.models import kill_training, own_trainers
from tests.models.test_trainer import CATEGORICAL, NUMERIC, TABULAR, TRAIN, VALIDATION

OWN = f"{own_trainers.HERE}:WithAverage"
ROWS = TRAIN.head(500)
BATCHES = 8  # an epoch


def trained(
    folder: Path, trainer: str = OWN, task: Task = "binary", seed: int = 7, **given: Any
) -> Fitted:
    return fit(
        ROWS,
        VALIDATION.head(200),
        trainer=trainer,
        label="late" if task == "binary" else "minutes",
        task=task,
        numeric=NUMERIC,
        categorical=CATEGORICAL,
        hyperparameters={"epochs": 3, "batch_size": 64, **given},
        seed=seed,
        folder=folder,
        save_seconds=0.0,
    )


def broken_off(folder: Path, batch: int, trainer: str = OWN, **given: Any) -> None:
    """Trains until a batch, counted from the very first, and dies there."""
    own_trainers.dies_at(batch)
    try:
        with pytest.raises(own_trainers.Died):
            trained(folder, trainer, **given)
    finally:
        own_trainers.dies_at(None)


def digest(fitted: Fitted) -> str:
    return fitted.weights_digest


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    return trained(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("batch", [1, BATCHES - 1, BATCHES, BATCHES + 1, 3 * BATCHES - 1])
def test_training_ends_alike_wherever_it_broke_off(
    batch: int, whole: Fitted, tmp_path: Path
) -> None:
    broken_off(tmp_path, batch)
    again = trained(tmp_path)
    assert digest(again) == digest(whole)
    assert again.history == whole.history
    assert again.validation == whole.validation
    assert (again.resumptions, whole.resumptions) == (1, 0)


def test_training_ends_alike_after_breaking_off_many_times(whole: Fitted, tmp_path: Path) -> None:
    for batch in (3, 5, 7, 12, 13, 22):
        broken_off(tmp_path, batch)
    again = trained(tmp_path)
    assert (digest(again), again.history) == (digest(whole), whole.history)
    assert again.resumptions == 6


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_the_tabular_trainer_goes_on_with_its_schedule_and_dropout(
    task: Task, tmp_path: Path
) -> None:
    given: dict[str, Any] = {"hidden": 16, "learning_rate": 0.01}
    trainer = f"{own_trainers.HERE}:MortalTabular"
    whole = trained(tmp_path / "whole", trainer, task, **given)
    own_trainers.dies_at(13)
    with pytest.raises(own_trainers.Died):
        trained(tmp_path / "broken", trainer, task, **given)
    own_trainers.dies_at(None)
    again = trained(tmp_path / "broken", trainer, task, **given)
    assert (digest(again), again.history) == (digest(whole), whole.history)
    assert again.resumptions == 1


def test_a_process_that_is_killed_ends_like_one_that_is_not() -> None:
    assert kill_training.compare(times=1, rows=10_000, epochs=8, seed=1)


def test_early_stopping_counts_on(tmp_path: Path) -> None:
    given: dict[str, Any] = {"epochs": 30, "patience": 2, "rate": 0.5}
    whole = trained(tmp_path / "whole", **given)
    assert 3 <= whole.epochs < 30
    broken_off(tmp_path / "broken", (whole.epochs - 1) * BATCHES + 3, **given)
    again = trained(tmp_path / "broken", **given)
    assert (digest(again), again.history) == (digest(whole), whole.history)


def test_a_finished_training_leaves_no_checkpoint(tmp_path: Path) -> None:
    broken_off(tmp_path, 10)
    assert len(list(tmp_path.rglob(DOCUMENT))) == 1
    trained(tmp_path)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 8},
        {"rate": 0.02},
        {"batch_size": 255},
        {"task": "regression"},
        {"trainer": TABULAR},
    ],
)
def test_a_checkpoint_of_another_recipe_is_not_taken(
    changed: dict[str, Any], tmp_path: Path
) -> None:
    broken_off(tmp_path, 10)
    assert trained(tmp_path, **changed).resumptions == 0
    assert len(list(tmp_path.rglob(DOCUMENT))) == 1


def test_a_checkpoint_of_other_rows_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off(tmp_path, 10)
    monkeypatch.setattr("tests.models.test_resuming.ROWS", ROWS.reverse())
    assert trained(tmp_path).resumptions == 0


@pytest.mark.parametrize("file", ["*.safetensors", DOCUMENT])
def test_an_altered_checkpoint_is_refused(file: str, tmp_path: Path) -> None:
    broken_off(tmp_path, 10)
    (found,) = tmp_path.rglob(file)
    content = bytearray(found.read_bytes())
    content[-20] ^= 1
    found.write_bytes(content)
    with pytest.raises(CheckpointUnusable, match=r"not .* written|Invalid|; remove the folder"):
        trained(tmp_path)


def test_a_checkpoint_holds_no_pickle_and_one_state_only(tmp_path: Path) -> None:
    broken_off(tmp_path, 10)
    broken_off(tmp_path, 14)
    kinds = {file.suffix for file in tmp_path.rglob("*") if file.is_file()}
    assert kinds == {".safetensors", ".json"}
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1
    json.loads(next(tmp_path.rglob(DOCUMENT)).read_text())


def test_what_is_saved_comes_back_with_its_types(tmp_path: Path) -> None:
    state = {
        "numbers": {0: 1, 1: 0.1, 2: float("inf"), 3: -0.0, "four": True, "five": None},
        "lists": [(1, "a"), [], (), {}],
        "tensors": {"step": torch.tensor(3.0), "mask": torch.ones(2, 2, dtype=torch.bool)},
    }
    PlainCheckpoints().save_checkpoint(state, tmp_path / "key")
    found = PlainCheckpoints().load_checkpoint(tmp_path / "key")
    assert found["numbers"] == state["numbers"]
    assert found["lists"] == state["lists"]
    assert torch.equal(found["tensors"]["mask"], state["tensors"]["mask"])
    assert found["tensors"]["step"].shape == ()


def test_a_state_that_cannot_be_saved_is_refused_before_the_first_batch(tmp_path: Path) -> None:
    message = r"optimizer_states.0.*notes is a set, .* keep it out of the state"
    with pytest.raises(CheckpointUnusable, match=message):
        trained(tmp_path, f"{own_trainers.HERE}:WithOddOptimizer")
