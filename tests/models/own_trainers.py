"""Trainers as a team could bring them: one that works, and one for each way of being wrong."""

from collections.abc import Iterable, Mapping

import pytorch_lightning as lightning
import torch
from torch import Tensor, nn

from mlplat_assets.models.trainers.contract import Batch, Problem, Value
from mlplat_assets.models.trainers.tabular import TabularModule

HERE = __name__


class OwnModule(lightning.LightningModule):
    """A small network with an embedding per category and a head that also learns the auxiliary."""

    center: Tensor

    def __init__(self, problem: Problem, hyperparameters: Mapping[str, Value]) -> None:
        super().__init__()
        unknown = set(hyperparameters) - {"width", "rate"}
        if unknown:
            raise ValueError(f"hyperparameter {min(unknown)!r} is unknown; known are rate, width")
        self.task, self.rate = problem.task, float(hyperparameters.get("rate", 0.01))
        width = int(hyperparameters.get("width", 8))
        self.register_buffer("center", torch.nanmedian(problem.train.numeric, 0).values)
        self.embeddings = nn.ModuleList(nn.Embedding(n + 1, 2) for n in problem.categories.values())
        inputs = len(problem.numeric) + 2 * len(problem.categories)
        outputs = (len(problem.classes) or 1) + len(problem.auxiliary)
        self.head = nn.Sequential(
            nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(width, outputs)
        )
        self.own = outputs - len(problem.auxiliary)

    def raw(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """Logits or values, then the auxiliary outcomes."""
        z = torch.where(torch.isnan(numeric), self.center, numeric) / 100
        parts = [torch.clamp(z, -10, 10)]
        parts += [embed(categorical[:, i]) for i, embed in enumerate(self.embeddings)]
        return self.head(torch.cat(parts, 1))

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """What is served."""
        raw = self.raw(numeric, categorical)[:, : self.own]
        if self.task == "multiclass":
            return torch.softmax(raw, 1)
        return torch.sigmoid(raw[:, 0]) if self.task == "binary" else raw[:, 0]

    def loss(self, batch: Batch) -> Tensor:
        """The task's loss, and a tenth of the auxiliary's where it is known."""
        raw = self.raw(batch.numeric, batch.categorical)
        missed = raw[:, self.own :] - batch.auxiliary / 100
        beside = torch.where(torch.isnan(missed), 0.0, missed).square().sum()
        if self.task == "multiclass":
            own = nn.functional.cross_entropy(raw[:, : self.own], batch.target)
        elif self.task == "binary":
            own = nn.functional.binary_cross_entropy_with_logits(raw[:, 0], batch.target)
        else:
            own = nn.functional.mse_loss(raw[:, 0], batch.target)
        return own + 0.1 * beside / max(1, len(batch.target))

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """The loss of one batch."""
        return self.loss(batch)

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Logs the loss of one batch."""
        self.log("validation_loss", self.loss(batch), batch_size=len(batch.target))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """SGD with momentum: another optimiser than ours, with a state of its own."""
        return torch.optim.SGD(self.parameters(), lr=self.rate, momentum=0.9)


class WithColumn(OwnModule):
    """Serves a column where a row of values is asked for."""

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """[n, 1]."""
        return super().forward(numeric, categorical)[:, None]


class WithNan(OwnModule):
    """Forgets that values may be missing."""

    def raw(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """NaN where a number is missing."""
        return super().raw(numeric, categorical) + numeric.sum(1, keepdim=True)


class WithLogits(OwnModule):
    """Serves logits."""

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """No probability."""
        return self.raw(numeric, categorical)[:, 0] - 7


class Unexportable(OwnModule):
    """Uses an operator that ONNX does not have."""

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """A probability, by a function that only PyTorch has."""
        found = super().forward(numeric, categorical)
        return torch.linalg.eigvalsh(torch.diag(found)).abs().clamp(0, 1)


class WithoutLoss(OwnModule):
    """Forgets to return the loss."""

    def training_step(self, batch: Batch, _index: int) -> None:  # pyright: ignore
        """Nothing."""
        self.loss(batch)


class WithoutValidation(OwnModule):
    """Logs the validation loss by another name."""

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Logs val_loss."""
        self.log("val_loss", self.loss(batch), batch_size=len(batch.target))


class Network(nn.Module):
    """No LightningModule."""


class Died(BaseException):
    """What stands for a kill in the middle of training."""


DEATH: list[int | None] = [None]


def dies_at(batch: int | None) -> None:
    """Mortal modules die when they come to this batch, counted from the very first."""
    DEATH[0] = batch


class Mortal(lightning.LightningModule):
    """Dies on demand."""

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Dies where the test says so."""
        if DEATH[0] == self.trainer.fit_loop.total_batch_idx:
            raise Died


class MortalTabular(Mortal, TabularModule):
    """Ours, mortal."""


class WithAverage(Mortal, OwnModule):
    """Serves a moving average of its weights, which it updates after each batch."""

    def __init__(self, problem: Problem, hyperparameters: Mapping[str, Value]) -> None:
        super().__init__(problem, hyperparameters)
        self.average = nn.Linear(8, 1)
        self.average.requires_grad_(False)

    def on_train_batch_end(self, outputs: object, batch: Batch, batch_idx: int) -> None:
        """A tenth of the way, and a little noise, so that the state of random numbers counts."""
        weight = self.head.get_parameter("3.weight")[:1].detach()
        self.average.weight.lerp_(weight + 0.01 * torch.randn_like(weight), 0.1)


class OddOptimizer(torch.optim.SGD):
    """Keeps something in its state that is neither tensor nor number."""

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        super().__init__(parameters, lr=0.1)
        self.param_groups[0]["notes"] = {"a set"}


class WithOddOptimizer(OwnModule):
    """Brings an optimiser whose state cannot be saved."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The odd one."""
        return OddOptimizer(self.parameters())


class WithNanLoss(OwnModule):
    """Divides by zero in the fourth batch."""

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """NaN from then on."""
        loss = self.loss(batch)
        return loss * (torch.nan if index == 3 else 1.0)


class WithNanValidation(OwnModule):
    """Learns, and cannot be judged."""

    def validation_step(self, batch: Batch, _index: int) -> None:
        """Logs infinity."""
        self.log("validation_loss", self.loss(batch) * torch.inf, batch_size=len(batch.target))


class Greedy(OwnModule):
    """Needs 4 PB for a batch: no allocator has them."""

    def training_step(self, batch: Batch, _index: int) -> Tensor:
        """Asks for them."""
        return self.loss(batch) + torch.empty(10**15).sum()
