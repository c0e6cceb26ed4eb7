"""How a module learns under Lightning: the loop, its repeatability, and keeping the best epoch."""

import logging
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import Strategy
from pytorch_lightning.utilities.types import STEP_OUTPUT
from torch import Tensor

from mlplat_assets.models.trainers.checkpoints import PlainCheckpoints
from mlplat_assets.models.trainers.contract import Batch
from mlplat_assets.models.trainers.settings import Fitting

MONITORED = "validation_loss"


class BestEpoch(Callback):
    """Records each epoch and holds the weights of the lowest validation loss.

    Attributes:
        history: One entry per epoch: `epoch`, `learning_rate`, `train_loss`, `validation_loss`.
        best: The lowest validation loss, infinite before the first.
        weights: The module's state at `best`, on the CPU; empty before the first.
    """

    _STATE = ("history", "best", "weights", "_loss", "_rows")

    def __init__(self) -> None:
        self.history: list[dict[str, float]] = []
        self.best = math.inf
        self.weights: dict[str, Tensor] = {}
        self._loss, self._rows = torch.zeros((), dtype=torch.float64), 0

    def state_dict(self) -> dict[str, Any]:
        """Everything here, the epoch's sums so far among it."""
        return {name: value for name, value in vars(self).items() if name in self._STATE}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As it was when it was saved."""
        vars(self).update(state_dict)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: STEP_OUTPUT,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Adds the batch's loss to the epoch's mean."""
        if not isinstance(outputs, Mapping) or "loss" not in outputs:
            raise ValueError(
                f"training_step of {type(pl_module).__name__} returned no loss; return the tensor"
            )
        rows = len(batch.target)
        # Kept where it was computed: reading it here would make a GPU wait at every step.
        self._loss = self._loss.to(outputs["loss"].device) + outputs["loss"].detach() * rows
        self._rows += rows

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Adds the epoch to the history; keeps the weights if they are the best so far."""
        train_loss = float(self._loss) / self._rows
        self._loss, self._rows = torch.zeros((), dtype=torch.float64), 0
        pl_module.log("train_loss", train_loss)
        if MONITORED not in trainer.callback_metrics:
            raise ValueError(
                f"validation_step of {type(pl_module).__name__} logged no {MONITORED!r}; "
                f"call self.log({MONITORED!r}, loss, batch_size=len(batch.target))"
            )
        entry = {
            "epoch": float(trainer.current_epoch),
            "learning_rate": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "train_loss": train_loss,
            MONITORED: float(trainer.callback_metrics[MONITORED]),
        }
        self.history.append(entry)
        if entry[MONITORED] < self.best:
            self.best = entry[MONITORED]
            self.weights = copied(pl_module.state_dict())


def copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict on the CPU that shares no memory with the module, nor within itself."""
    return {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}


@contextmanager
def repeatable(seed: int, threads: int) -> Iterator[None]:
    """Inside, random numbers follow `seed` and sums `threads`; both are as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)


def accelerator() -> str:
    """What trains here: the GPU's name, or `cpu`."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def quiet_trainer(
    settings: Fitting,
    callbacks: list[Callback],
    folder: Path,
    logger: Logger | None,
    progress: bool,
    strategy: Strategy | None = None,
) -> lightning.Trainer:
    """Lightning on whatever accelerator there is, bf16 on a GPU, nothing pickled.

    `strategy` is one that was made elsewhere; None is the one that the settings name.
    """
    on_gpu = torch.cuda.is_available()
    precision: Any = settings.precision
    if precision == "auto":
        precision = "bf16-mixed" if on_gpu else "32-true"
    with without_noise():
        return lightning.Trainer(
            accelerator="auto",
            devices=settings.devices,
            strategy=strategy or settings.strategy,
            precision=precision,
            max_epochs=settings.epochs,
            deterministic=True,
            gradient_clip_val=settings.gradient_clip or None,
            logger=logger or False,
            log_every_n_steps=1,  # only epoch means are logged; 1 keeps short epochs from warning
            plugins=[PlainCheckpoints()],
            callbacks=[*callbacks, EarlyStopping(MONITORED, patience=settings.patience)],
            enable_checkpointing=False,  # those of Lightning are pickles; Resumable saves
            enable_model_summary=False,
            enable_progress_bar=progress,
            num_sanity_val_steps=0,
            default_root_dir=folder,
        )


@contextmanager
def without_noise() -> Iterator[None]:
    """Inside, warnings that users can do nothing about and Lightning's greetings are not shown."""
    greetings = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level = greetings.level
    greetings.setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # Lightning 2.6.6 still builds the LeafSpec that torch 2.13 deprecates.
        warnings.filterwarnings("ignore", ".*LeafSpec.*", FutureWarning)
        # torch 2.13's compiler for CPUs still imports what torch 2.13 deprecates.
        warnings.filterwarnings("ignore", ".*torch.jit.script.* is deprecated", DeprecationWarning)
        # Ours is, by Resumable: Lightning restores a loader before it knows the epoch.
        warnings.filterwarnings("ignore", ".*your dataloader is not resumable.*")
        try:
            yield
        finally:
            greetings.setLevel(level)
