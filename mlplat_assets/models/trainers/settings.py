"""The hyperparameters that belong to the fitting, whatever module is fitted."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

from mlplat_assets.models.trainers.contract import Value
from mlplat_assets.models.trainers.hyperparameters import checked

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """What a ModelSpec may set under `hyperparameters` for any trainer.

    Attributes:
        epochs: Most passes over the training rows.
        patience: Epochs without a lower validation loss before training stops.
        batch_size: Rows a step.
        threads: CPU threads that train. Part of the recipe, since sums split otherwise give other
            bytes. 1 costs little at this size, and on a busy machine two threads that wait for
            each other took five times as long.
        gradient_clip: Greatest norm of the gradient; 0 does not clip.
        precision: `auto` is bf16-mixed on a GPU and 32-true on a CPU.
        compile: Whether torch.compile makes the step faster first. It pays on a GPU and on long
            trainings: compiling takes seconds, and other kernels give other last bits.
        devices: Devices that train together.
        strategy: Lightning's strategy for them, such as `ddp`.
    """

    epochs: int = 8
    patience: int = 2
    batch_size: int = 2048
    threads: int = 1
    gradient_clip: float = 1.0
    precision: str = "auto"
    compile: bool = False
    devices: int = 1
    strategy: str = "auto"

    @classmethod
    def of(cls, given: Mapping[str, Value]) -> tuple[Self, dict[str, Value]]:
        """The settings, and what is left for the module.

        Raises:
            ValueError: A value is not of its kind.
        """
        names = {item.name for item in fields(cls)}
        mine = checked(cls, {name: value for name, value in given.items() if name in names})
        settings = cls(**mine)  # pyright: ignore[reportArgumentType]
        if settings.precision not in PRECISIONS:
            raise ValueError(
                f"hyperparameter precision is {settings.precision!r}; "
                f"give one of {', '.join(PRECISIONS)}"
            )
        return settings, {name: value for name, value in given.items() if name not in names}
