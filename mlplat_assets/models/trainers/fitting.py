"""Fitting: the one path from frames to a trained module, ours or a team's."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import Strategy
from pytorch_lightning.utilities.compile import to_uncompiled
from safetensors.torch import save
from torch import nn

from mlplat_assets.metrics import score
from mlplat_assets.model_spec import Calibration, Task
from mlplat_assets.models.artefact import Preprocessing, learn_preprocessing
from mlplat_assets.models.trainers.batches import Batches
from mlplat_assets.models.trainers.calibration import calibrated
from mlplat_assets.models.trainers.contract import Batch, Problem, Value, trainer_class
from mlplat_assets.models.trainers.failures import FiniteLoss, naming_a_batch_size
from mlplat_assets.models.trainers.feeding import class_names, predict, tensors
from mlplat_assets.models.trainers.learning import (
    BestEpoch,
    accelerator,
    quiet_trainer,
    repeatable,
    without_noise,
)
from mlplat_assets.models.trainers.resuming import (
    SECONDS,
    Resumable,
    source_digest,
    training_key,
)
from mlplat_assets.models.trainers.served_form import check_served_form
from mlplat_assets.models.trainers.settings import Fitting
from resources.digests import digest_of_bytes


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A trained module and what is needed to serve it.

    Attributes:
        module: The trained module, on the CPU, in evaluation mode, with the best epoch's weights.
        served: What is exported and stored: the module, with its calibration behind it if any.
        preprocessing: `{"numeric": [name, ...], "categorical": {name: [category, ...]}}`.
        classes: Names of the classes in the order of the served probabilities; else empty.
        history: One entry per epoch: `epoch`, `train_loss`, `validation_loss`, `learning_rate`.
        validation: Metrics of `module` on the validation rows, before calibration.
        calibration: `kind`; unless that is `none`, `parameters`, `rows` and the calibration error
            before and after.
        hyperparameters: Every hyperparameter that was in force.
        trainer_digest: The digest of the trainer's source.
        resumptions: How often training went on from a checkpoint.
    """

    module: lightning.LightningModule
    served: nn.Module
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    history: list[dict[str, float]]
    validation: dict[str, float]
    calibration: dict[str, Any]
    hyperparameters: dict[str, Value]
    trainer_digest: str
    resumptions: int

    @property
    def weights(self) -> bytes:
        """The state of what is served as safetensors; the same state gives the same bytes."""
        return save({name: value.contiguous() for name, value in self.served.state_dict().items()})

    @property
    def weights_digest(self) -> str:
        """`sha256:` and the hex digest of `weights`."""
        return digest_of_bytes(self.weights)

    @property
    def epochs(self) -> int:
        """Epochs run before training stopped."""
        return len(self.history)


def fit(
    train: pl.DataFrame,
    validation: pl.DataFrame,
    *,
    trainer: str,
    label: str,
    task: Task,
    numeric: Sequence[str],
    categorical: Sequence[str],
    hyperparameters: Mapping[str, Value],
    seed: int,
    folder: Path,
    auxiliary: Sequence[str] = (),
    logger: Logger | None = None,
    callbacks: Sequence[Callback] = (),
    progress: bool = False,
    calibration: Calibration = "none",
    save_seconds: float = SECONDS,
    strategy: Strategy | None = None,
) -> Fitted:
    """Trains one module on `train`; the same inputs and seed give the same weights.

    `validation`, in the order of time, decides when to stop and which epoch is kept, and its
    earlier half is what calibration is fitted on. Nulls and NaN in inputs are missing
    values. `auxiliary` are further label columns, given to the module and never to `forward`.
    A training that was killed goes on from its last checkpoint, which lies in `folder` until
    training ended well, under a key of everything that decides the weights.

    Raises:
        TrainerUnusable: The class is not there, or what it serves cannot be served.
        ValueError: A hyperparameter, column or label is not as declared.
        LossNotFinite, TrainingOutOfMemory: Training failed; they say what to change.
    """
    settings, rest = Fitting.of(hyperparameters)
    preprocessing = learn_preprocessing(train, numeric, categorical)
    parts, problem = posed(train, validation, preprocessing, label, task, auxiliary)
    with repeatable(seed, settings.threads):
        module = build(trainer, problem, rest)
        trained_by = source_digest(type(module))
        in_force = asdict(settings) | (dict(module.hparams) or rest)
        if logger:
            logger.log_hyperparams({**in_force, "seed": seed})
        recipe = {"trainer": trainer, "source": trained_by, "in_force": in_force, "seed": seed}
        recipe |= {"task": task, "preprocessing": preprocessing, "accelerator": accelerator()}
        batches = Batches(parts[0], settings.batch_size, seed)
        kept = BestEpoch()
        saved = Resumable(folder / training_key(parts, **recipe), batches, save_seconds)
        hooks = [kept, FiniteLoss(), *callbacks, saved]
        loop = quiet_trainer(settings, hooks, folder, logger, progress, strategy)
        with naming_a_batch_size(settings.batch_size, len(train), accelerator()):
            optimise(module, loop, batches, parts[1], saved.checkpoint, settings.compile)
            keep_best(module, kept)
            found = predict(module, parts[1], 4 * settings.batch_size).numpy()
    truth = parts[1].target.numpy()
    kind: Calibration = "none" if task == "regression" else calibration
    served, said = calibrated(module, kind, truth, found)
    shutil.rmtree(saved.folder, ignore_errors=True)
    return Fitted(
        module=module,
        served=served,
        preprocessing=preprocessing,
        classes=problem.classes,
        history=kept.history,
        validation=score(task, truth, found),
        calibration=said,
        hyperparameters=in_force,
        trainer_digest=trained_by,
        resumptions=saved.resumptions,
    )


def posed(
    train: pl.DataFrame,
    validation: pl.DataFrame,
    preprocessing: Preprocessing,
    label: str,
    task: Task,
    auxiliary: Sequence[str],
) -> tuple[tuple[Batch, Batch], Problem]:
    """Both parts as tensors, and the problem that they pose.

    Raises:
        ValueError: A column or the label is not as declared.
    """
    classes = class_names(train[label], task)
    rows, held = (
        tensors(frame, preprocessing, label, task, classes=classes, auxiliary=auxiliary)
        for frame in (train, validation)
    )
    categories = preprocessing["categorical"]
    problem = Problem(
        task=task,
        numeric=tuple(preprocessing["numeric"]),
        categories={name: len(known) for name, known in categories.items()},
        classes=classes,
        auxiliary=tuple(auxiliary),
        train=rows,
    )
    return (rows, held), problem


def build(path: str, problem: Problem, given: Mapping[str, Value]) -> lightning.LightningModule:
    """A new module of a trainer, which serves what its task asks for.

    Raises:
        TrainerUnusable: It does not.
        ValueError: The module does not know a hyperparameter.
    """
    try:
        module = trainer_class(path)(problem, given)
    except ValueError as error:
        ours = ", ".join(item.name for item in fields(Fitting))
        raise ValueError(f"{path}: {error} (and, of the fitting, {ours})") from error
    check_served_form(module, problem, path)
    return module


def optimise(
    module: lightning.LightningModule,
    loop: lightning.Trainer,
    batches: Batches,
    held: Batch,
    checkpoint: str | None,
    compiled: bool,
) -> None:
    """Trains `module` in place, from a checkpoint on if there is one."""
    rows = Batches(held, 4 * batches.size, None)
    with without_noise():
        # Lightning unwraps it: the weights stay those of `module`.
        model = cast(lightning.LightningModule, torch.compile(module)) if compiled else module
        loop.fit(model, batches, rows, ckpt_path=checkpoint)
    if compiled:
        to_uncompiled(module)


def keep_best(module: lightning.LightningModule, kept: BestEpoch) -> None:
    """Gives the module the weights of its best epoch, on the CPU, in evaluation mode."""
    module.cpu().load_state_dict(kept.weights)
    module.eval()
