"""Training on a GPU: rows a second, utilisation, and how many times the CPU's.

    python -m bench.training_gpu

Needs torch, pytorch_lightning and NumPy alone, and a CUDA device; the rows are made up. Every case
trains the platform's network under Lightning from tensors on the host (copied batch by batch) or
on the device: single precision and bf16, compiled and not. Prints a table and the same as JSON.
"""

# ruff: noqa: TID253  a bench of torch needs torch

import itertools
import json
import logging
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import pytorch_lightning as lightning
import torch
from pytorch_lightning.callbacks import Callback

from mlplat_assets.models.trainers.batches import Batches
from mlplat_assets.models.trainers.contract import Batch, Problem
from mlplat_assets.models.trainers.tabular import TabularModule

NUMERIC, CATEGORIES = 37, (16, 3, 102, 28, 2, 101)
ROWS, EPOCHS = 2**18, 4  # the first epoch warms up and compiles, and is not counted
BATCHES = (2048, 16384)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way to train."""

    accelerator: str
    batch_size: int
    precision: str = "32-true"
    compiled: bool = False
    rows_on_device: bool = False


@dataclass(frozen=True, kw_only=True)
class Found:
    """Rows a second over the counted epochs; share of time that the GPU was busy, in percent."""

    rows_per_s: float
    utilisation: float | None


class EpochClock(Callback):
    """When each epoch began and ended, the device's work done."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []
        self._began = 0.0

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Waits for the device, then notes the time."""
        self._began = self._now()

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Waits for the device, then notes the time."""
        self.spans.append((self._began, self._now()))

    def _now(self) -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()


class Utilisation:
    """What nvidia-smi says, five times a second, while the block runs."""

    def __enter__(self) -> "Utilisation":
        """Starts to sample."""
        query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        self._process = subprocess.Popen(
            [*query, "-lms", "200"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.percent: float | None = None
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it and takes the median of the later half, past the warm-up."""
        self._process.terminate()
        lines = self._process.communicate(timeout=10)[0].split()
        samples = [float(line) for line in lines if line.isdigit()]
        self.percent = statistics.median(samples[len(samples) // 2 :]) if samples else None


def problem(rows: int) -> Problem:
    """Made-up rows of the flights model's form: some waves, some missing values, categories."""
    generator = torch.Generator().manual_seed(1)
    numeric = torch.randn(rows, NUMERIC, generator=generator)
    logit = torch.sin(3 * numeric[:, 0]) + numeric[:, 1]
    target = (torch.rand(rows, generator=generator) < torch.sigmoid(logit)).float()
    numeric[torch.rand(rows, NUMERIC, generator=generator) < 0.1] = torch.nan
    categorical = torch.stack(
        [torch.randint(size + 1, (rows,), generator=generator) for size in CATEGORIES], dim=1
    )
    return Problem(
        task="binary",
        numeric=tuple(f"x{i}" for i in range(NUMERIC)),
        categories={f"c{i}": size for i, size in enumerate(CATEGORIES)},
        classes=(),
        auxiliary=("logit",),
        train=Batch(numeric, categorical, target, logit.reshape(-1, 1)),
    )


def measured(case: Case, of: Problem, epochs: int = EPOCHS) -> Found:
    """Trains for some epochs and counts all but the first."""
    torch.manual_seed(1)
    module, clock = TabularModule(of, {}), EpochClock()
    if case.compiled:
        module.network.hidden = torch.compile(module.network.hidden)
    rows = of.train
    if case.rows_on_device:
        rows = Batch(*(tensor.to("cuda") for tensor in rows))
    precision: Any = case.precision
    trainer = lightning.Trainer(
        accelerator=case.accelerator,
        devices=1,
        precision=precision,
        max_epochs=epochs,
        gradient_clip_val=1.0,
        callbacks=[clock],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    batches = Batches(rows, case.batch_size, 1)
    if case.accelerator != "cuda":
        trainer.fit(module, batches)
        return Found(rows_per_s=_rate(clock, rows), utilisation=None)
    with Utilisation() as used:
        trainer.fit(module, batches)
    return Found(rows_per_s=_rate(clock, rows), utilisation=used.percent)


def _rate(clock: EpochClock, rows: Batch) -> float:
    counted = clock.spans[1:]
    return len(rows.target) * len(counted) / sum(end - began for began, end in counted)


def cases() -> list[Case]:
    """The CPU once for each batch size, then every way on the GPU."""
    found = []
    for size in BATCHES:
        found.append(Case(accelerator="cpu", batch_size=size))
        on_gpu = Case(accelerator="cuda", batch_size=size)
        ways = itertools.product(("32-true", "bf16-mixed"), (False, True), (False, True))
        found += [
            replace(on_gpu, precision=precision, compiled=compiled, rows_on_device=on_device)
            for precision, compiled, on_device in ways
        ]
    return found


def main() -> int:
    """Measures every case; says so and returns 1 where there is no GPU."""
    if not torch.cuda.is_available():
        sys.stderr.write(
            "no GPU: torch.cuda.is_available() is False, so there is nothing to measure here; "
            "bench.training measures the CPU\n"
        )
        return 1
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_float32_matmul_precision("high")
    rows, table, cpu = problem(ROWS), [], {}
    sys.stdout.write(f"{torch.cuda.get_device_name()}, torch {torch.__version__}\n")
    for case in cases():
        found = measured(case, rows, EPOCHS if case.accelerator == "cuda" else 2)
        if case.accelerator == "cpu":
            cpu[case.batch_size] = found.rows_per_s
        times = found.rows_per_s / cpu[case.batch_size]
        table.append({**asdict(case), **asdict(found), "times_cpu": round(times, 2)})
        sys.stdout.write(
            f"{case.accelerator:<5} batch {case.batch_size:<6} {case.precision:<11}"
            f"{'compiled' if case.compiled else '':<9}"
            f"{'rows on device' if case.rows_on_device else '':<15}"
            f"{found.rows_per_s:>12,.0f} rows/s {times:>7.1f} x  busy {found.utilisation} %\n"
        )
        sys.stdout.flush()
    sys.stdout.write(json.dumps({"device": torch.cuda.get_device_name(), "cases": table}) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
