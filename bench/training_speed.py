"""Rows a second of training: our Lightning path, a bare loop, Lightning over a per-row Dataset.

All train the same network from the same tensors with the same loss, optimiser, schedule and
clipping, on one thread. Between runs on a shared machine the wall clock of one engine swings by
half, so the processor time of the process is taken: with one thread and no waiting it is what an
idle core would take.
"""

# ruff: noqa: TID253  a bench of torch needs torch

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities.types import STEP_OUTPUT
from torch.utils.data import DataLoader, Dataset

from mlplat_assets.models.trainers.batches import Batches
from mlplat_assets.models.trainers.contract import Batch, Problem
from mlplat_assets.models.trainers.failures import FiniteLoss
from mlplat_assets.models.trainers.learning import BestEpoch, quiet_trainer, without_noise
from mlplat_assets.models.trainers.resuming import Resumable
from mlplat_assets.models.trainers.settings import Fitting
from mlplat_assets.models.trainers.tabular import TabularModule, warm_up_and_cosine

STEPS, ROUNDS = 40, 5


class PerRow(Dataset[Batch]):
    """The usual Dataset: one row at a time, collated by the DataLoader."""

    def __init__(self, rows: Batch) -> None:
        self.rows = rows

    def __len__(self) -> int:
        """How many rows."""
        return len(self.rows.target)

    def __getitem__(self, index: int) -> Batch:
        """One row."""
        return Batch(*(tensor[index] for tensor in self.rows))


class Clock(Callback):
    """Processor seconds from the first epoch's start to its last batch's end."""

    def __init__(self) -> None:
        self.began = self.seconds = 0.0

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Starts it."""
        self.began = time.process_time()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: STEP_OUTPUT,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Reads it."""
        self.seconds = time.process_time() - self.began


def bare_loop(problem: Problem, settings: Fitting) -> float:
    """Processor seconds of an epoch without Lightning."""
    module = TabularModule(problem, {})
    optimizer = module.optimizer()
    batches = Batches(problem.train, settings.batch_size, 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warm_up_and_cosine(len(batches)))
    began = time.process_time()
    for index, batch in enumerate(batches):
        loss = module.training_step(batch, index)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), settings.gradient_clip)
        optimizer.step()
        schedule.step()
    return time.process_time() - began


def ours(problem: Problem, settings: Fitting, folder: Path) -> float:
    """Processor seconds of an epoch as `fit` runs it, with all of its callbacks."""
    batches = Batches(problem.train, settings.batch_size, 1)
    watching = [FiniteLoss(), BestEpoch(), Resumable(folder / "resume", batches)]
    return _under_lightning(problem, settings, folder, batches, watching)


def row_dataloader(problem: Problem, settings: Fitting, folder: Path) -> float:
    """Processor seconds of an epoch of Lightning over a shuffling DataLoader of rows."""
    loader = DataLoader(PerRow(problem.train), settings.batch_size, shuffle=True)
    return _under_lightning(problem, settings, folder, loader, [])


def _under_lightning(
    problem: Problem,
    settings: Fitting,
    folder: Path,
    batches: Batches | DataLoader[Batch],
    callbacks: list[Callback],
) -> float:
    clock = Clock()
    trainer = quiet_trainer(settings, [*callbacks, clock], folder, None, progress=False)
    held = Batches(Batch(*(tensor[:256] for tensor in problem.train)), 256, None)
    with without_noise():
        trainer.fit(TabularModule(problem, {}), batches, held)
    return clock.seconds


def feeding(batches: Batches | DataLoader[Batch]) -> float:
    """Processor seconds of an epoch of batches that nobody uses."""
    began = time.process_time()
    for _ in batches:
        pass
    return time.process_time() - began


def speeds(problem: Problem, batch_size: int, folder: Path) -> dict[str, list[float]]:
    """Rows a second by engine, one figure a round; engines take turns, round 0 is not counted."""
    rows = Batch(*(tensor[: STEPS * batch_size] for tensor in problem.train))
    small = Problem(**{**vars(problem), "train": rows})
    settings = Fitting(epochs=1, batch_size=batch_size)
    engines: dict[str, Callable[[], float]] = {
        "bare_loop": lambda: bare_loop(small, settings),
        "ours": lambda: ours(small, settings, folder),
        "row_dataloader": lambda: row_dataloader(small, settings, folder),
        "feeding_ours": lambda: feeding(Batches(rows, batch_size, 1)),
        "feeding_rows": lambda: feeding(DataLoader(PerRow(rows), batch_size, shuffle=True)),
    }
    torch.set_num_threads(1)
    found: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(1 + ROUNDS):
        for name, run in engines.items():
            found[name].append(len(rows.target) / run())
    return {name: rates[1:] for name, rates in found.items()}


def ratio(found: dict[str, list[float]], one: str, other: str) -> float:
    """How many times the rows a second, the median over rounds of turns side by side."""
    return statistics.median(a / b for a, b in zip(found[one], found[other], strict=True))
