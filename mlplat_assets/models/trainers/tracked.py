"""What Lightning tells a tracked run: the losses of steps, the metrics of epochs, the rate."""

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from mlplat_assets.models.tracking.tracked_run import TrackedRun

# Enough for any screen. A training of fewer steps has a point for each.
POINTS_OF_A_CURVE = 1000


class RunLogger(Logger):
    """A Lightning logger that writes to a tracked run."""

    def __init__(self, run: TrackedRun) -> None:
        super().__init__()
        self.run = run

    @property
    def name(self) -> str:
        """The experiment."""
        return self.run.experiment_id

    @property
    def version(self) -> str:
        """The run."""
        return self.run.run_id

    @rank_zero_only
    def log_hyperparams(
        self, params: Mapping[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Record them as parameters of the run."""
        self.run.parameters(dict(params) if isinstance(params, Mapping) else vars(params))

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Record metrics, in batches."""
        self.run.metrics(metrics, step or 0)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what waits; the run ends where it began, in `tracked`."""
        self.run.flush()


class StepCurve(Callback):
    """Records the loss of training steps and the learning rate, whatever the module logs itself.

    Lightning hands a step's loss to callbacks for any module; one that logs nothing has a curve.
    """

    def __init__(self) -> None:
        self.every = 1

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Space the points over all steps."""
        steps = trainer.estimated_stepping_batches
        self.every = max(1, int(steps) // POINTS_OF_A_CURVE) if steps < float("inf") else 50

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,  # noqa: ANN401  as Lightning's own
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        """Record one step in every so many."""
        if trainer.logger is None or trainer.global_step % self.every:
            return
        seen = {"learning_rate": trainer.optimizers[0].param_groups[0]["lr"]}
        if isinstance(outputs, Mapping) and "loss" in outputs:  # manual optimisation has none
            seen["train_loss_step"] = outputs["loss"]
        trainer.logger.log_metrics(seen, step=trainer.global_step)
