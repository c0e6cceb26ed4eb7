"""Giving up a training that falls behind others."""

from collections.abc import Callable

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback

from mlplat_assets.models.trainers.learning import MONITORED


class Pruning(Callback):
    """Asks after each epoch whether to go on.

    Attributes:
        pruned: Whether the training was given up.
    """

    def __init__(self, falls_behind: Callable[[float, int], bool]) -> None:
        """`falls_behind` takes the validation loss and the epoch's number, from 0."""
        self._falls_behind, self.pruned = falls_behind, False

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Report the epoch; end the training after it if it falls behind."""
        loss = float(trainer.callback_metrics[MONITORED])
        if self._falls_behind(loss, trainer.current_epoch):
            self.pruned = trainer.should_stop = True
