"""What a trainer is: a LightningModule, what it is built for, and the batches that it is fed.

docs/custom_trainer.md says the same with an example. The module's own obligations:

- `__init__(problem, hyperparameters)`; a ValueError names a hyperparameter that it does not know.
- `forward(numeric, categorical)` gives what is served: the probability [n] of a binary model, the
  probabilities [n, K] of the classes, or the value [n] in units of the label. It is exported to
  ONNX and starts from raw inputs, so scaling lies inside, as buffers.
- `training_step(batch, index)` returns the loss, `validation_step(batch, index)` logs
  `validation_loss`, `configure_optimizers()` is Lightning's own.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import pytorch_lightning as lightning
from torch import Tensor

from mlplat_assets.model_spec import Task

Value = float | int | str | bool


class Batch(NamedTuple):
    """Rows of tensors.

    Attributes:
        numeric: float32 [n, N]; NaN is missing.
        categorical: int64 [n, C]; 0 is missing or unseen, else the index in the vocabulary + 1.
        target: [n]: float32 0 or 1, float32 in units of the label, or the int64 index of a class.
        auxiliary: float32 [n, A], `ModelSpec.auxiliary`; NaN is missing. A may be 0.
    """

    numeric: Tensor
    categorical: Tensor
    target: Tensor
    auxiliary: Tensor


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What a module is built for.

    Attributes:
        task: `binary`, `multiclass` or `regression`.
        numeric: Names of the numeric columns, in the order of `Batch.numeric`.
        categories: Size of the vocabulary by categorical column, in the order of the batch.
        classes: Names of the classes in the order of their indices; empty but for `multiclass`.
        auxiliary: Names of the auxiliary label columns.
        train: All training rows, for statistics such as medians and shares of classes.
    """

    task: Task
    numeric: tuple[str, ...]
    categories: Mapping[str, int]
    classes: tuple[str, ...]
    auxiliary: tuple[str, ...]
    train: Batch


class TrainerClass(Protocol):
    """The class that `ModelSpec.trainer` names."""

    def __call__(
        self, problem: Problem, hyperparameters: Mapping[str, Value]
    ) -> lightning.LightningModule:
        """A new module, not yet trained."""
        ...


class TrainerUnusable(ValueError):
    """The trainer that a spec names cannot be trained or served; says why and what to do."""

    def __init__(self, path: str, fact: str, remedy: str) -> None:
        super().__init__(f"ModelSpec.trainer {path!r}: {fact}. {remedy}")


def trainer_class(path: str) -> TrainerClass:
    """The class behind `package.module:Class`.

    Raises:
        TrainerUnusable: The module or the class is not there, or it is no LightningModule.
    """
    name, _, attribute = path.partition(":")
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        remedy = "Correct the path, or install the package where training runs."
        raise TrainerUnusable(path, f"cannot import {name!r}: {error}", remedy) from error
    found = getattr(module, attribute, None)
    modules = sorted(
        key
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, lightning.LightningModule)
    )
    if found is None:
        there = f"its LightningModules are {', '.join(modules)}" if modules else "it has none"
        raise TrainerUnusable(path, f"{name!r} has no {attribute!r}", f"Correct it: {there}.")
    if not (isinstance(found, type) and issubclass(found, lightning.LightningModule)):
        # lightning.pytorch, of another distribution, has a class of the same name.
        bases = [
            f"{base.__module__}.{base.__name__}" for base in getattr(found, "__mro__", ())[1:2]
        ]
        raise TrainerUnusable(
            path,
            f"{attribute!r} is no LightningModule ({', '.join(bases) or type(found).__name__})",
            "Derive the class from pytorch_lightning.LightningModule.",
        )
    return found
