"""Kills a training with SIGKILL at random moments, lets it end, and compares with one left alone.

    python -m tests.models.kill_training --times 10

Prints when each kill came, and both digests of the weights; exits with 1 where they differ.
"""

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mlplat_assets.models.trainers.checkpoints import DOCUMENT

TRAINER = "mlplat_assets.models.trainers.tabular:TabularModule"
ROWS, EPOCHS = 60_000, 6
SAVE_SECONDS = 0.2
LONGEST = 1.5  # seconds that a training may learn before it is killed


def train(folder: Path, rows: int, epochs: int) -> str:
    """Trains in this process; what a killed and a whole training have in common, as a line."""
    from mlplat_assets.models.trainers.fitting import fit
    from tests.models.test_trainer import CATEGORICAL, NUMERIC, flights

    fitted = fit(
        flights(rows, 1),
        flights(rows // 10, 2),
        trainer=TRAINER,
        label="late",
        task="binary",
        numeric=NUMERIC,
        categorical=CATEGORICAL,
        hyperparameters={"epochs": epochs, "batch_size": 256, "patience": epochs, "hidden": 64},
        seed=7,
        folder=folder,
        save_seconds=SAVE_SECONDS,
    )
    losses = hashlib.sha256(repr(fitted.history).encode()).hexdigest()[:16]
    return f"weights {fitted.weights_digest}, history {losses}"


def started(folder: Path, rows: int, epochs: int) -> "subprocess.Popen[bytes]":
    """The same in a process of its own."""
    sizes = ["--rows", str(rows), "--epochs", str(epochs)]
    command = [sys.executable, "-m", "tests.models.kill_training", "--train", str(folder), *sizes]
    return subprocess.Popen(command)


def killed(folder: Path, rows: int, epochs: int, wait: float) -> bool:
    """Starts a training, kills it `wait` seconds after it saved; whether it was still running."""
    before = saved(folder)
    process = started(folder, rows, epochs)
    while process.poll() is None and saved(folder) == before:
        time.sleep(0.005)
    time.sleep(wait)
    alive = process.poll() is None
    process.kill()
    process.wait()
    return alive


def saved(folder: Path) -> list[int]:
    """Tells one state of a folder's checkpoints from the next."""
    return [file.stat().st_mtime_ns for file in folder.rglob(DOCUMENT)]


def say(line: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def compare(times: int, rows: int, epochs: int, seed: int) -> bool:
    """Whether a training killed so many times ends like one left alone."""
    waits = random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        alone = train(Path(scratch) / "alone", rows, epochs)
        say(f"left alone      {alone}")
        folder = Path(scratch) / "killed"
        for number in range(1, times + 1):
            wait = waits.uniform(0, LONGEST)
            alive = killed(folder, rows, epochs, wait)
            say(f"kill -9 {number:2} after {wait:.3f} s of learning, alive: {alive}")
            if not alive:
                return False
        found = train(folder, rows, epochs)
        say(f"killed {times:2} times {found}")
    return found == alone


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--train", type=Path)
    given = parser.parse_args()
    if given.train is not None:
        train(given.train, given.rows, given.epochs)
    else:
        sys.exit(0 if compare(given.times, given.rows, given.epochs, given.seed) else 1)
