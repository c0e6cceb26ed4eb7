"""Fitting: the one path from frames to a trained module, ours or a team's."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import polars as pl
import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger
from torch import nn

from mlplat_assets.metrics import score
from mlplat_assets.model_spec import Task
from mlplat_assets.models.artefact import Preprocessing, learn_preprocessing
from mlplat_assets.models.trainers.contract import Batch, Problem, Value, trainer_class
from mlplat_assets.models.trainers.feeding import Batches, class_names, predict, tensors
from mlplat_assets.models.trainers.learning import (
    BestEpoch,
    quiet_trainer,
    repeatable,
    without_noise,
)
from mlplat_assets.models.trainers.served_form import check_served_form
from mlplat_assets.models.trainers.settings import Fitting


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
    """

    module: nn.Module
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    history: list[dict[str, float]]
    validation: dict[str, float]
    hyperparameters: dict[str, Value]

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
) -> Fitted:
    """Trains one module on `train`; the same inputs and seed give the same weights.

    `validation` decides when to stop and which epoch is kept. Nulls and NaN in inputs are missing
    values. `auxiliary` are further label columns, given to the module and never to `forward`.

    Raises:
        TrainerUnusable: The class is not there, or what it serves cannot be served.
        ValueError: A hyperparameter, column or label is not as declared, or no loss was finite.
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
    kept = BestEpoch()
    loop = quiet_trainer(settings, [kept, *callbacks], folder, logger, progress)
    with repeatable(seed, settings.threads):
        module = build(trainer, problem, rest)
        in_force = asdict(settings) | (dict(module.hparams) or rest)
        if loop.logger:
            loop.logger.log_hyperparams({**in_force, "seed": seed})
        optimise(module, settings, (rows, held), seed, loop, kept)
    predictions = predict(module, held, 4 * settings.batch_size)
    return Fitted(
        module=module,
        preprocessing=preprocessing,
        classes=classes,
        history=kept.history,
        validation=score(task, held.target.numpy(), predictions.numpy()),
        hyperparameters=in_force,
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
    settings: Fitting,
    rows: tuple[Batch, Batch],
    seed: int,
    loop: lightning.Trainer,
    kept: BestEpoch,
) -> None:
    """Trains `module` in place, on rows for training and validation, to its best epoch's weights.

    Raises:
        ValueError: The validation loss was never finite.
    """
    batches = Batches(rows[0], settings.batch_size, seed)
    held = Batches(rows[1], 4 * settings.batch_size, None)
    with without_noise():
        loop.fit(module, batches, held)
    if not kept.weights:
        raise ValueError(
            "the validation loss was never finite; lower learning_rate, or look for infinite labels"
        )
    module.cpu().load_state_dict(kept.weights)
    module.eval()
