"""How training fails: out of memory and losses that are no numbers, with what to change."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.types import STEP_OUTPUT

from mlplat_assets.models.trainers.contract import Batch

# Of CUDA's allocator, and of the CPU's.
_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
# Reading the loss makes a GPU wait for it, at every step about a tenth of a step this small.
EVERY_ON_GPU = 50


class TrainingOutOfMemory(RuntimeError):
    """Training needs more memory than there is; names the batch size to try."""


class LossNotFinite(ValueError):
    """A loss is NaN or infinite; says where, and what usually helps."""


@contextmanager
def naming_a_batch_size(batch_size: int, rows: int, device: str) -> Iterator[None]:
    """Inside, running out of memory says which `batch_size` to try.

    Raises:
        TrainingOutOfMemory: There was not enough memory.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        text = str(error)
        if not isinstance(error, MemoryError) and not any(sign in text for sign in _NO_MEMORY):
            raise
        remedy = f"set hyperparameters batch_size to {batch_size // 2}, and halve on if need be"
        if batch_size < 2:
            remedy = "a batch is one row already: make the network smaller, or the machine larger"
        said = text.splitlines()[0][:300] if text else type(error).__name__
        raise TrainingOutOfMemory(
            f"out of memory on {device} with hyperparameters batch_size {batch_size} "
            f"of {rows} training rows; {remedy} ({said})"
        ) from error


class FiniteLoss(Callback):
    """Stops training at the first loss that is no number: nothing after it can be meant."""

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: STEP_OUTPUT,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Looks at the loss: of every batch on a CPU, of one in 50 on a GPU."""
        if pl_module.device.type != "cpu" and batch_idx % EVERY_ON_GPU:
            return
        if isinstance(outputs, Mapping) and not math.isfinite(loss := float(outputs["loss"])):
            raise LossNotFinite(
                f"the training loss is {loss} at epoch {trainer.current_epoch}, "
                f"batch {batch_idx} of {trainer.num_training_batches}; {_HELP}"
            )

    def on_validation_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Looks at the loss of the validation rows."""
        loss = float(trainer.callback_metrics.get("validation_loss", 0.0))
        if not math.isfinite(loss):
            raise LossNotFinite(
                f"the validation loss is {loss} after epoch {trainer.current_epoch}; {_HELP}"
            )


_HELP = (
    "lower hyperparameters learning_rate, set gradient_clip (1 is usual), "
    "and look for infinite values among features and labels"
)
