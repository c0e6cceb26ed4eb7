"""Fitting: the one path from frames to a trained module, ours or a team's."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import polars as pl
import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger
from safetensors.torch import save
from torch import nn

from mlplat_assets.metrics import score
from mlplat_assets.model_spec import Task
from mlplat_assets.models.artefact import Preprocessing, learn_preprocessing
from mlplat_assets.models.trainers.contract import Batch, Problem, Value, trainer_class
from mlplat_assets.models.trainers.failures import FiniteLoss, naming_a_batch_size
from mlplat_assets.models.trainers.feeding import Batches, class_names, predict, tensors
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
        module: What is served, on the CPU, in evaluation mode, with the best epoch's weights.
        preprocessing: `{"numeric": [name, ...], "categorical": {name: [category, ...]}}`.
        classes: Names of the classes in the order of the served probabilities; else empty.
        history: One entry per epoch: `epoch`, `train_loss`, `validation_loss`, `learning_rate`.
        validation: Metrics of the best weights on the validation rows.
        hyperparameters: Every hyperparameter that was in force.
        trainer_digest: The digest of the trainer's source.
        resumptions: How often training went on from a checkpoint.
    """

    module: nn.Module
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    history: list[dict[str, float]]
    validation: dict[str, float]
    hyperparameters: dict[str, Value]
    trainer_digest: str
    resumptions: int

    @property
    def weights(self) -> bytes:
        """The state of the module as safetensors; the same state gives the same bytes."""
        return save({name: value.contiguous() for name, value in self.module.state_dict().items()})

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
    save_seconds: float = SECONDS,
) -> Fitted:
    """Trains one module on `train`; the same inputs and seed give the same weights.

    `validation` decides when to stop and which epoch is kept. Nulls and NaN in inputs are missing
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
    classes = class_names(train[label], task)
    rows, held = (
        tensors(frame, preprocessing, label, task, classes=classes, auxiliary=auxiliary)
        for frame in (train, validation)
    )
    problem = Problem(
        task=task,
        numeric=tuple(numeric),
        categories={name: len(known) for name, known in preprocessing["categorical"].items()},
        classes=classes,
        auxiliary=tuple(auxiliary),
        train=rows,
    )
    with repeatable(seed, settings.threads):
        module = build(trainer, problem, rest)
        in_force = asdict(settings) | (dict(module.hparams) or rest)
        if logger:
            logger.log_hyperparams({**in_force, "seed": seed})
        trained_by = source_digest(type(module))
        recipe = {"trainer": trainer, "source": trained_by, "in_force": in_force, "seed": seed}
        recipe |= {"task": task, "preprocessing": preprocessing, "accelerator": accelerator()}
        batches = Batches(rows, settings.batch_size, seed)
        kept = BestEpoch()
        saved = Resumable(folder / training_key((rows, held), **recipe), batches, save_seconds)
        watching = [FiniteLoss(), kept, saved, *callbacks]
        loop = quiet_trainer(settings, watching, folder, logger, progress)
        with naming_a_batch_size(settings.batch_size, len(train), accelerator()):
            optimise(module, loop, batches, held, saved.checkpoint)
            keep_best(module, kept)
            predictions = predict(module, held, 4 * settings.batch_size)
    shutil.rmtree(saved.folder, ignore_errors=True)
    return Fitted(
        module=module,
        preprocessing=preprocessing,
        classes=classes,
        history=kept.history,
        validation=score(task, held.target.numpy(), predictions.numpy()),
        hyperparameters=in_force,
        trainer_digest=trained_by,
        resumptions=saved.resumptions,
    )


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
) -> None:
    """Trains `module` in place, from a checkpoint on if there is one."""
    with without_noise():
        loop.fit(module, batches, Batches(held, 4 * batches.size, None), ckpt_path=checkpoint)


def keep_best(module: lightning.LightningModule, kept: BestEpoch) -> None:
    """Gives the module the weights of its best epoch, on the CPU, in evaluation mode."""
    module.cpu().load_state_dict(kept.weights)
    module.eval()
