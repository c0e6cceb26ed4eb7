"""Where trials run: in this process, in others of this machine, or on a Ray cluster."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import polars as pl

from mlplat_assets.models.search.trial import Outcome, Work, run


class WorkerDied(Exception):
    """The process of a trial is gone: killed, out of memory, or its machine is away."""


class Workers(Protocol):
    """Run trials."""

    def start(self, work: Work) -> "Future[Outcome]":
        """Begin a trial."""
        ...

    def outcome(self, future: "Future[Outcome]") -> Outcome:
        """What came of a trial that ended.

        Raises:
            WorkerDied: Nothing did.
        """
        ...


class Here:
    """One trial after the other, in this process: the same search each time."""

    def __init__(self, train: pl.DataFrame, validation: pl.DataFrame) -> None:
        self._rows = train, validation

    def start(self, work: Work) -> "Future[Outcome]":
        """Run the trial to its end."""
        future: Future[Outcome] = Future()
        future.set_result(run(work, *self._rows))
        return future

    def outcome(self, future: "Future[Outcome]") -> Outcome:
        """What came of it."""
        return future.result()


class Processes:
    """Processes of this machine, each of which reads the rows from Arrow files."""

    def __init__(self, jobs: int, files: tuple[Path, Path]) -> None:
        self._jobs, self._files = jobs, files
        self._pool = self._new_pool()

    def start(self, work: Work) -> "Future[Outcome]":
        """Begin a trial; a pool of which a process died is replaced first."""
        try:
            return self._pool.submit(run_from_files, work, self._files)
        except BrokenProcessPool:
            self.close()
            self._pool = self._new_pool()
            return self._pool.submit(run_from_files, work, self._files)

    def outcome(self, future: "Future[Outcome]") -> Outcome:
        """What came of it."""
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise WorkerDied(str(error)) from error

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _new_pool(self) -> ProcessPoolExecutor:
        # Forked from here, a process would inherit torch's threads and locks in whatever state
        # they are. The server they are forked from has imported torch (10 s) and done nothing.
        context = get_context("forkserver")
        context.set_forkserver_preload(["mlplat_assets.models.trainers.fitting", "optuna"])
        return ProcessPoolExecutor(self._jobs, mp_context=context)


def run_from_files(work: Work, files: tuple[Path, Path]) -> Outcome:
    """Run a trial on the rows of two Arrow files."""
    train, validation = (pl.read_ipc(file) for file in files)
    return run(work, train, validation)


@contextmanager
def local_workers(jobs: int, train: pl.DataFrame, validation: pl.DataFrame) -> Iterator[Workers]:
    """Workers on this machine: this process for one job, as many processes for more."""
    if jobs == 1:
        yield Here(train, validation)
        return
    with tempfile.TemporaryDirectory(prefix="mlplat-search-") as folder:
        files = Path(folder) / "train.arrow", Path(folder) / "validation.arrow"
        for frame, file in zip((train, validation), files, strict=True):
            frame.write_ipc(file)
        processes = Processes(jobs, files)
        try:
            yield processes
        finally:
            processes.close()
