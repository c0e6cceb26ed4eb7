"""How the tabular network learns: feeding, loss, schedule, and keeping the best epoch."""

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping
from pytorch_lightning.loggers import Logger
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mlplat_assets.models.trainers.hyperparameters import Hyperparameters
from mlplat_assets.models.trainers.network import TabularNetwork

Rows = tuple[Tensor, Tensor, Tensor]  # numeric, categorical, target


class Batches:
    """Tensors cut into batches; with a seed, shuffled once an epoch and then sliced.

    Slicing copies nothing: it feeds three orders of magnitude more rows a second than a
    per-row Dataset, whose collation would take most of a training step.
    """

    def __init__(self, tensors: Sequence[Tensor], rows: int, seed: int | None) -> None:
        self.tensors, self.rows, self.seed, self.epoch = tensors, rows, seed, 0

    def __len__(self) -> int:
        """Batches an epoch."""
        return math.ceil(len(self.tensors[0]) / self.rows)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        """One epoch of batches, in an order that the seed and the epoch's number decide."""
        tensors = self.tensors
        if self.seed is not None:
            generator = torch.Generator().manual_seed(self.seed + self.epoch)
            order = torch.randperm(len(tensors[0]), generator=generator)
            tensors = [tensor[order] for tensor in tensors]
            self.epoch += 1
        yield from zip(*(tensor.split(self.rows) for tensor in tensors), strict=True)


class TabularModule(lightning.LightningModule):
    """Trains a TabularNetwork: loss, blanked inputs, AdamW with warm-up and cosine."""

    def __init__(self, network: TabularNetwork, settings: Hyperparameters, steps: int) -> None:
        super().__init__()
        self.network, self.settings, self.steps = network, settings, steps
        self.loss = nn.BCEWithLogitsLoss() if network.binary else nn.MSELoss()

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """What is served."""
        return self.network(numeric, categorical)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], _index: int) -> Tensor:
        """The loss of one batch, a few of its inputs blanked."""
        numeric, categorical, target = batch
        hide = torch.rand_like(numeric) < self.settings.blank
        numeric = torch.where(hide, torch.nan, numeric)
        keep = torch.rand(categorical.shape, device=self.device) >= self.settings.blank
        loss = self.loss(self.network.raw(numeric, categorical * keep), target)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(target))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], _index: int) -> None:
        """Logs the loss of one batch of validation rows."""
        numeric, categorical, target = batch
        loss = self.loss(self.network.raw(numeric, categorical), target)
        self.log("validation_loss", loss, batch_size=len(target))

    def configure_optimizers(self) -> dict[str, object]:  # pyright: ignore
        """AdamW; the rate rises over a tenth of the steps, then falls along a cosine."""
        optimizer = torch.optim.AdamW(
            self.parameters(),
            lr=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
        )
        warm = max(1, self.steps // 10)

        def factor(step: int) -> float:
            if step < warm:
                return (step + 1) / warm
            return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, self.steps - warm)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class KeepBest(Callback):
    """Records each epoch and keeps the weights of the lowest validation loss as safetensors."""

    def __init__(self, path: Path) -> None:
        self.path, self.best = path, math.inf
        self.history: list[dict[str, float]] = []

    def on_fit_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Removes what an earlier, broken off training left."""
        self.path.unlink(missing_ok=True)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Adds the epoch to the history; saves the network if it is the best so far."""
        seen = {name: float(value) for name, value in trainer.callback_metrics.items()}
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        entry = {"epoch": float(trainer.current_epoch), "learning_rate": float(rate)}
        entry |= {name: seen[name] for name in ("train_loss", "validation_loss")}
        self.history.append(entry)
        if seen["validation_loss"] < self.best:
            self.best = seen["validation_loss"]
            network = pl_module.get_submodule("network")
            save_file({k: v.cpu().contiguous() for k, v in network.state_dict().items()}, self.path)


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


def quiet_trainer(
    settings: Hyperparameters, keep: KeepBest, folder: Path, logger: Logger | None, progress: bool
) -> lightning.Trainer:
    """Lightning on whatever accelerator there is, one device, bf16 on a GPU, nothing pickled."""
    return lightning.Trainer(
        accelerator="auto",
        devices=1,
        precision="bf16-mixed" if torch.cuda.is_available() else "32-true",
        max_epochs=settings.epochs,
        deterministic=True,
        gradient_clip_val=1.0,
        logger=logger or False,
        log_every_n_steps=1,  # only epoch means are logged; 1 keeps short epochs from warning
        callbacks=[EarlyStopping("validation_loss", patience=settings.patience), keep],
        enable_checkpointing=False,  # Lightning's checkpoints are pickles
        enable_model_summary=False,
        enable_progress_bar=progress,
        num_sanity_val_steps=0,
        default_root_dir=folder,
    )


def optimise(
    network: TabularNetwork,
    settings: Hyperparameters,
    rows: tuple[Rows, Rows],
    seed: int,
    trainer: lightning.Trainer,
    keep: KeepBest,
) -> list[dict[str, float]]:
    """Trains `network` in place to the weights of its best epoch; the history of all epochs.

    `rows` are for training and for validation. The target of a regression is standardised here,
    as `TabularNetwork.raw` is.

    Raises:
        ValueError: The validation loss was never finite.
    """
    train, validation = (
        (numeric, categorical, (target - network.offset) / network.spread)
        for numeric, categorical, target in rows
    )
    batches = Batches(train, settings.batch_size, seed)
    held = Batches(validation, 4 * settings.batch_size, None)
    if trainer.logger:
        trainer.logger.log_hyperparams({**asdict(settings), "seed": seed})
    module = TabularModule(network, settings, settings.epochs * len(batches))
    with warnings.catch_warnings():
        # Lightning 2.6.6 still builds the LeafSpec that torch 2.13 deprecates.
        warnings.filterwarnings("ignore", ".*LeafSpec.*", FutureWarning)
        trainer.fit(module, batches, held)
    if not keep.path.exists():
        raise ValueError(
            "the validation loss was never finite; lower learning_rate, or look for infinite labels"
        )
    network.cpu().load_state_dict(load_file(keep.path))
    network.eval()
    return keep.history
