"""Going on with a training that was killed: when to save, under which key, and from where."""

import hashlib
import inspect
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback

from mlplat_assets.models.trainers.batches import Batches
from mlplat_assets.models.trainers.checkpoints import DOCUMENT, random_state, set_random_state
from mlplat_assets.models.trainers.contract import Batch
from resources.digests import digest

# A kill costs this much work at most. Saving a million weights with their moments took 0.16 s of a
# busy core, so 1% of the time.
SECONDS = 15.0


class Resumable(Callback):
    """Saves between two batches and goes on from there: the same bits as without the kill.

    It saves before the first batch, so that a state which cannot be saved is refused at once, and
    then every `seconds`. When a batch starts, all hooks of the one before have run, so whatever
    the module did there is in its state.

    Attributes:
        resumptions: How often this training went on from a checkpoint.
    """

    def __init__(
        self,
        folder: Path,
        batches: Batches,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder, self.resumptions = folder, 0
        self._batches, self._seconds, self._clock = batches, seconds, clock
        self._saved_at: float | None = None
        self._at = {"epoch": 0, "start": 0}
        self._random: Mapping[str, Any] | None = None

    @property
    def checkpoint(self) -> str | None:
        """The folder to go on from, None where there is nothing yet."""
        return str(self.folder) if (self.folder / DOCUMENT).exists() else None

    def state_dict(self) -> dict[str, Any]:
        """Which batch comes next, where the random numbers stand, and how often it went on."""
        return {"at": self._at, "random": random_state(), "resumptions": self.resumptions}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Sets the batches; random numbers wait for the first batch, as modules may draw some."""
        self._batches.epoch, self._batches.start = state_dict["at"].values()
        self._random = state_dict["random"]
        self.resumptions = state_dict["resumptions"] + 1

    def on_train_batch_start(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Restores the random numbers, or saves if it is time to."""
        if self._random is not None:
            set_random_state(self._random)
            self._random, self._saved_at = None, self._clock()
        due = self._saved_at is None or self._clock() - self._saved_at >= self._seconds
        if trainer.strategy.broadcast(due):
            self._at = {"epoch": trainer.current_epoch, "start": batch_idx}
            trainer.save_checkpoint(self.folder, weights_only=False)
            self._saved_at = self._clock()


def training_key(parts: tuple[Batch, Batch], **decisive: object) -> str:
    """The digest of everything that decides the weights: rows, recipe, code and libraries."""
    rows = hashlib.sha256()
    for part in parts:
        for tensor in part:
            rows.update(str((tuple(tensor.shape), tensor.dtype)).encode())
            rows.update(tensor.contiguous().numpy().data)
    versions = {name: version(name) for name in ("torch", "pytorch-lightning")}
    ours = source_digest(Resumable)
    return digest({**decisive, **versions, "rows": rows.hexdigest(), "fitting": ours})


def source_digest(trainer: type) -> str:
    """The digest of a class's source: the Python files of its package's folder, or its file."""
    file = Path(inspect.getfile(trainer))
    package = getattr(sys.modules[trainer.__module__], "__package__", "")
    files = sorted(file.parent.glob("*.py")) if package else [file]
    return digest({found.name: found.read_text(encoding="utf-8") for found in files})
