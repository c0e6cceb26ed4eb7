"""The tabular trainer: a network with periodic and categorical embeddings, over Lightning."""

import math
from collections.abc import Mapping
from dataclasses import asdict

import pytorch_lightning as lightning
import torch
from torch import Tensor, nn

from mlplat_assets.models.trainers.contract import Batch, Problem, Value
from mlplat_assets.models.trainers.hyperparameters import Hyperparameters, checked
from mlplat_assets.models.trainers.network import Shape, TabularNetwork


class TabularModule(lightning.LightningModule):
    """Trains a TabularNetwork: loss, blanked inputs, AdamW with warm-up and cosine.

    The target of a regression is standardised here, as `TabularNetwork.raw` is.
    """

    def __init__(self, problem: Problem, hyperparameters: Mapping[str, Value]) -> None:
        super().__init__()
        given = checked(Hyperparameters, hyperparameters)
        self.settings = Hyperparameters(**given)  # pyright: ignore[reportArgumentType]
        self.save_hyperparameters(asdict(self.settings), logger=False)
        self.network = build(self.settings, problem)
        losses = {"binary": nn.BCEWithLogitsLoss, "multiclass": nn.CrossEntropyLoss}
        self.loss = losses.get(problem.task, nn.MSELoss)()
        self.standardised = problem.task == "regression"

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """What is served."""
        return self.network(numeric, categorical)

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """The loss of one batch, a few of its inputs blanked."""
        hide = torch.rand_like(batch.numeric) < self.settings.blank
        numeric = torch.where(hide, torch.nan, batch.numeric)
        keep = torch.rand(batch.categorical.shape, device=self.device) >= self.settings.blank
        return self._loss(numeric, batch.categorical * keep, batch.target)

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Logs the loss of one batch of validation rows."""
        loss = self._loss(batch.numeric, batch.categorical, batch.target)
        self.log("validation_loss", loss, batch_size=len(batch.target))

    def configure_optimizers(self) -> dict[str, object]:  # pyright: ignore
        """AdamW; the rate rises over a tenth of the steps, then falls along a cosine."""
        optimizer = torch.optim.AdamW(
            self.parameters(),
            lr=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
        )
        steps = int(self.trainer.estimated_stepping_batches)
        warm = max(1, steps // 10)

        def factor(step: int) -> float:
            if step < warm:
                return (step + 1) / warm
            return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _loss(self, numeric: Tensor, categorical: Tensor, target: Tensor) -> Tensor:
        if self.standardised:
            target = (target - self.network.offset) / self.network.spread
        return self.loss(self.network.raw(numeric, categorical), target)


def build(settings: Hyperparameters, problem: Problem) -> TabularNetwork:
    """An untrained network shaped by the columns, standardising by the training rows."""
    shape = Shape(
        categories=tuple(problem.categories.values()),
        outputs=len(problem.classes) or 1,
        hidden=settings.hidden,
        layers=settings.layers,
        dropout=settings.dropout,
        frequencies=settings.frequencies,
        frequency_scale=settings.frequency_scale,
        periodic_width=settings.periodic_width,
    )
    if problem.task != "regression":
        return TabularNetwork(shape, problem.train.numeric, None)
    target = problem.train.target.double()
    mean, deviation = target.mean().item(), target.std(correction=0).item()
    spread = deviation if deviation > 1e-12 else 1.0
    return TabularNetwork(shape, problem.train.numeric, (mean, spread))
