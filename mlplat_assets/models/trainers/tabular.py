"""The tabular trainer: a network with periodic and categorical embeddings, over Lightning."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl
import torch
from pytorch_lightning.loggers import Logger

from bentos.model_server.encoding import encode
from mlplat_assets.models.artefact import input_columns, learn_preprocessing
from mlplat_assets.models.metrics import score
from mlplat_assets.models.trainers.hyperparameters import Hyperparameters, Value
from mlplat_assets.models.trainers.learning import Rows, optimise, repeatable
from mlplat_assets.models.trainers.network import Shape, TabularNetwork, predict
from mlplat_assets.spec import Task


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A trained network and what is needed to serve it.

    Attributes:
        network: On the CPU, in evaluation mode, holding the best epoch's weights.
        preprocessing: `{"numeric": [name, ...], "categorical": {name: [category, ...]}}`.
        history: One entry per epoch: `epoch`, `train_loss`, `validation_loss`, `learning_rate`.
        epochs: Epochs run before training stopped.
        validation: Metrics of the best weights on the validation rows.
        hyperparameters: Every hyperparameter that was in force.
    """

    network: TabularNetwork
    preprocessing: dict[str, object]
    history: list[dict[str, float]]
    epochs: int
    validation: dict[str, float]
    hyperparameters: dict[str, Value]


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
    """Trains one network; the same inputs and seed give the same weights on one machine.

    Args:
        train: Rows to learn from; nulls and NaN in inputs are missing values.
        validation: Later rows, which decide when to stop and which epoch is kept.
        label: Column of the label, 0/1 or boolean for `binary`, without nulls.
        task: Decides the loss and the meaning of a prediction.
        numeric: Input columns that are numbers.
        categorical: Input columns that are strings or booleans.
        hyperparameters: Overlay of the defaults of `Hyperparameters`.
        seed: Decides first weights, order of rows, dropout.
        folder: Where the best weights are kept while training runs; made if need be.
        logger: A Lightning logger for losses and settings, or None.
        progress: Whether to show Lightning's progress bar.

    Raises:
        ValueError: A hyperparameter, a column or the label is not as declared, or the loss
            became NaN.
    """
    settings = Hyperparameters.of(hyperparameters)
    preprocessing = learn_preprocessing(train, numeric, categorical)
    rows = tensors(train, preprocessing, label, task)
    held = tensors(validation, preprocessing, label, task)
    folder.mkdir(parents=True, exist_ok=True)
    with repeatable(seed, settings.threads):
        network = build(settings, preprocessing, rows, task)
        history = optimise(
            network,
            settings,
            rows,
            held,
            seed=seed,
            folder=folder,
            logger=logger,
            progress=progress,
        )
    predictions = predict(network, held[0], held[1], 4 * settings.batch_size)
    return Fitted(
        network=network,
        preprocessing=preprocessing,
        history=history,
        epochs=len(history),
        validation=score(task, held[2].numpy(), predictions.numpy()),
        hyperparameters=asdict(settings),
    )


def tensors(
    frame: pl.DataFrame, preprocessing: Mapping[str, object], label: str, task: Task
) -> Rows:
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
    settings: Hyperparameters, preprocessing: Mapping[str, object], rows: Rows, task: Task
) -> TabularNetwork:
    """An untrained network shaped by the columns, standardising by the training rows."""
    categorical = preprocessing["categorical"]
    assert isinstance(categorical, dict)
    shape = Shape(
        categories=tuple(len(known) for known in categorical.values()),
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
