"""The tabular trainer: a network with periodic and categorical embeddings, over Lightning."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict

import pytorch_lightning as lightning
import torch
from torch import Tensor

from mlplat_assets.models.trainers.contract import Batch, Problem, Value
from mlplat_assets.models.trainers.hyperparameters import Hyperparameters
from mlplat_assets.models.trainers.network import Shape, TabularNetwork
from mlplat_assets.models.trainers.objective import Exceedances, Objective


class TabularModule(lightning.LightningModule):
    """Trains a TabularNetwork: loss, blanked inputs, AdamW with warm-up and cosine."""

    def __init__(self, problem: Problem, hyperparameters: Mapping[str, Value]) -> None:
        super().__init__()
        self.settings = Hyperparameters.of(hyperparameters)
        self.save_hyperparameters(asdict(self.settings), logger=False)
        self.network = build(self.settings, problem)
        self.objective = Objective(problem, self.settings.class_weight)
        self.beside = None
        if problem.auxiliary and self.settings.auxiliary_weight:
            self.beside = Exceedances(problem.train.auxiliary, self.settings.hidden)
        self.network.start(self.objective.offset, self.objective.spread, self.objective.start)

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """What is served."""
        return self.network(numeric, categorical)

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """The loss of one batch, some of its inputs blanked, with the auxiliary outcomes' part."""
        hide = torch.rand_like(batch.numeric) < self.settings.blank
        numeric = torch.where(hide, torch.nan, batch.numeric)
        keep = torch.rand(batch.categorical.shape, device=self.device) >= self.settings.blank
        hidden = self.network.hidden(numeric, batch.categorical * keep)
        loss = self.objective.learnt(self.network.output(hidden), batch.target)
        if self.beside is None:
            return loss
        return loss + self.settings.auxiliary_weight * self.beside(hidden, batch.auxiliary)

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Logs the loss of what is served for one batch of validation rows."""
        raw = self.network.raw(batch.numeric, batch.categorical)
        loss = self.objective.judged(raw, batch.target)
        self.log("validation_loss", loss, batch_size=len(batch.target))

    def optimizer(self) -> torch.optim.Optimizer:
        """AdamW at its peak rate."""
        return torch.optim.AdamW(
            self.parameters(),
            lr=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
        )

    def configure_optimizers(self) -> dict[str, object]:  # pyright: ignore
        """The optimiser, its rate stepping over all of the training's steps."""
        optimizer = self.optimizer()
        share = warm_up_and_cosine(int(self.trainer.estimated_stepping_batches))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def warm_up_and_cosine(steps: int) -> Callable[[int], float]:
    """The share of the peak rate at each step: rises over a tenth of all, then falls to 0."""
    warm = max(1, steps // 10)

    def share(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))

    return share


def build(settings: Hyperparameters, problem: Problem) -> TabularNetwork:
    """An untrained network shaped by the columns, scaling by the training rows."""
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
    classifier = problem.task != "regression"
    return TabularNetwork(shape, problem.train.numeric, classifier=classifier)
