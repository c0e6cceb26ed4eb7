"""The tabular trainer: a network with periodic and categorical embeddings, over Lightning."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl
import torch
from pytorch_lightning.loggers import Logger

from bentos.model_server.encoding import encode
from mlplat_assets.metrics import score
from mlplat_assets.model_spec import Task
from mlplat_assets.models.artefact import Preprocessing, input_columns, learn_preprocessing
from mlplat_assets.models.trainers.hyperparameters import Hyperparameters, Value
from mlplat_assets.models.trainers.learning import (
    KeepBest,
    Rows,
    optimise,
    quiet_trainer,
    repeatable,
)
from mlplat_assets.models.trainers.network import Shape, TabularNetwork, predict


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A trained network and what is needed to serve it.

    Attributes:
        network: On the CPU, in evaluation mode, holding the best epoch's weights.
        preprocessing: `{"numeric": [name, ...], "categorical": {name: [category, ...]}}`.
        history: One entry per epoch: `epoch`, `train_loss`, `validation_loss`, `learning_rate`.
        validation: Metrics of the best weights on the validation rows.
        hyperparameters: Every hyperparameter that was in force.
    """

    network: TabularNetwork
    preprocessing: Preprocessing
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
    label: str,
    task: Task,
    numeric: Sequence[str],
    categorical: Sequence[str],
    hyperparameters: Mapping[str, Value],
    seed: int,
    folder: Path,
    logger: Logger | None = None,
    progress: bool = False,
) -> Fitted:
    """Trains one network on `train`; the same inputs and seed give the same weights.

    The later rows of `validation` decide when to stop and which epoch is kept. Nulls and NaN in
    inputs are missing values. The best weights so far lie in `folder` while training runs.

    Raises:
        ValueError: A hyperparameter, column or label is not as declared, or no loss was finite.
    """
    settings = Hyperparameters.of(hyperparameters)
    preprocessing = learn_preprocessing(train, numeric, categorical)
    rows = tensors(train, preprocessing, label, task)
    held = tensors(validation, preprocessing, label, task)
    folder.mkdir(parents=True, exist_ok=True)
    keep = KeepBest(folder / "best.safetensors")
    trainer = quiet_trainer(settings, keep, folder, logger, progress)
    with repeatable(seed, settings.threads):
        network = build(settings, preprocessing, rows, task)
        history = optimise(network, settings, (rows, held), seed, trainer, keep)
    predictions = predict(network, held[0], held[1], 4 * settings.batch_size)
    return Fitted(
        network=network,
        preprocessing=preprocessing,
        history=history,
        validation=score(task, held[2].numpy(), predictions.numpy()),
        hyperparameters=asdict(settings),
    )


def tensors(frame: pl.DataFrame, preprocessing: Preprocessing, label: str, task: Task) -> Rows:
    """A frame as numeric, categorical and target tensors.

    Raises:
        ValueError: The frame is empty, or its label has nulls, infinities or, for `binary`,
            anything but 0 and 1.
    """
    target = frame[label].cast(pl.Float64)
    bad = target.len() - int((target.is_not_null() & target.is_finite()).sum())
    if target.is_empty() or bad:
        raise ValueError(f"label {label!r}: {bad} of {target.len()} rows are null or not finite")
    if task == "binary" and not target.is_in([0.0, 1.0]).all():
        raise ValueError(f"label {label!r} of a binary model holds {target.unique()[:5].to_list()}")
    numeric, categorical = encode(input_columns(frame, preprocessing), preprocessing)
    return (
        torch.from_numpy(numeric),
        torch.from_numpy(categorical),
        torch.from_numpy(target.to_numpy().astype("float32")),
    )


def build(
    settings: Hyperparameters, preprocessing: Preprocessing, rows: Rows, task: Task
) -> TabularNetwork:
    """An untrained network shaped by the columns, standardising by the training rows."""
    shape = Shape(
        categories=tuple(len(known) for known in preprocessing["categorical"].values()),
        hidden=settings.hidden,
        layers=settings.layers,
        dropout=settings.dropout,
        frequencies=settings.frequencies,
        frequency_scale=settings.frequency_scale,
        periodic_width=settings.periodic_width,
    )
    if task == "binary":
        return TabularNetwork(shape, rows[0], None)
    mean, deviation = rows[2].double().mean().item(), rows[2].double().std(correction=0).item()
    return TabularNetwork(shape, rows[0], (mean, deviation if deviation > 1e-12 else 1.0))
