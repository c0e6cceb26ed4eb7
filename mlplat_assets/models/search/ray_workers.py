"""Trials as tasks of a Ray cluster. The study stays in its database, and asks and tells here.

Not Ray Tune: its searcher would own the trials, so that a search begun on one machine could not go
on on a cluster, and its results lie in its own files. A task is a function and its outcome.
"""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import polars as pl

from mlplat_assets.models.ray_cluster import ray_cluster
from mlplat_assets.models.search.trial import Outcome, Work, run
from mlplat_assets.models.search.workers import WorkerDied

if TYPE_CHECKING:
    import pyarrow as pa


class RayTasks:
    """Each trial is a task; the rows are in Ray's object store, once a machine."""

    def __init__(self, train: pl.DataFrame, validation: pl.DataFrame) -> None:
        import ray

        # Nothing is retried by Ray: the study records that a trial died, and queues it again.
        self._task: Any = ray.remote(num_cpus=1, max_retries=0)(run_from_tables)
        self._rows = [ray.put(frame.to_arrow()) for frame in (train, validation)]

    def start(self, work: Work) -> "Future[Outcome]":
        """Begin a trial where a CPU is free."""
        return self._task.remote(work, *self._rows).future()

    def outcome(self, future: "Future[Outcome]") -> Outcome:
        """What came of it."""
        from ray.exceptions import RayError, RayTaskError

        try:
            return future.result()
        except RayTaskError:
            raise  # an error of ours, in the task
        except RayError as error:
            raise WorkerDied(str(error)) from error


def run_from_tables(work: Work, train: "pa.Table", validation: "pa.Table") -> Outcome:
    """Run a trial on rows of the object store."""
    frames = [pl.DataFrame(pl.from_arrow(part)) for part in (train, validation)]
    return run(work, frames[0], frames[1])


@contextmanager
def ray_workers(address: str, train: pl.DataFrame, validation: pl.DataFrame) -> Iterator[RayTasks]:
    """Workers of a cluster, or of one that is started on this machine (`local`)."""
    with ray_cluster(address):
        yield RayTasks(train, validation)
