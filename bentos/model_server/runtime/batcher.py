"""One micro-batcher per process: what arrives in the same turn of the event loop is one batch.

Nothing waits for a batch to fill. A quick model's batch is run at the end of the turn, on the
loop; a slower one's in a thread, and what arrives meanwhile is its next batch.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from time import perf_counter
from typing import Generic, Protocol, TypeVar

from bentos.model_server.artefact.predictor import BATCH_ROWS

# Rows that may wait: at 64 rows in 10 ms, two thirds of a second.
QUEUE_ROWS = 4096
FAILURES = (ValueError, RuntimeError)


class Overloaded(RuntimeError):
    """More requests wait than will be answered in time."""


class Model(Protocol):
    """What predicts rows."""

    @property
    def is_quick(self) -> bool:
        """Whether a batch is run on the event loop."""
        ...

    def predict(self, rows: Sequence[tuple]) -> Sequence[object]:
        """One prediction for each row."""
        ...


class Item(Protocol):
    """A row, and the model that is to predict it."""

    @property
    def plan(self) -> Model:
        """The model."""
        ...

    @property
    def row(self) -> tuple:
        """The row."""
        ...


ItemT = TypeVar("ItemT", bound=Item)


class Batcher(Generic[ItemT]):
    """Used from one event loop.

    `accept` picks from items that are about to be run those that are still wanted; `finish` is
    given items with their predictions, or with what was raised for all of them, and the seconds
    that it took.
    """

    def __init__(
        self,
        *,
        accept: Callable[[list[ItemT]], list[ItemT]],
        finish: Callable[[list[ItemT], Sequence[object] | Exception, float], None],
        queue_rows: int = QUEUE_ROWS,
    ) -> None:
        self._accept = accept
        self._finish = finish
        self._queue_rows = queue_rows
        self._arrived: list[ItemT] = []
        self._waiting: deque[ItemT] = deque()
        self._thread: ThreadPoolExecutor | None = None
        self._worker: asyncio.Task[None] | None = None

    def depth(self) -> int:
        """How many rows wait for a prediction."""
        return len(self._arrived) + len(self._waiting)

    def submit(self, item: ItemT) -> None:
        """Take one row; `finish` will be called with it.

        Raises:
            Overloaded: Too many wait already.
        """
        if len(self._arrived) + len(self._waiting) >= self._queue_rows:
            raise Overloaded(f"{self.depth()} requests wait already")
        self._arrived.append(item)
        if len(self._arrived) == 1:
            asyncio.get_running_loop().call_soon(self._flush)

    def close(self) -> None:
        """End the thread; what is in it is finished first."""
        if self._thread is not None:
            self._thread.shutdown()

    def _flush(self) -> None:
        arrived, self._arrived = self._arrived, []
        items = self._accept(arrived)
        for plan, group in groupby(items, key=lambda item: item.plan):
            if plan.is_quick:
                self._run(plan, list(group))
            else:
                self._waiting.extend(group)
        if self._waiting and (self._worker is None or self._worker.done()):
            self._worker = asyncio.get_running_loop().create_task(self._work())

    def _run(self, plan: Model, items: list[ItemT]) -> None:
        started = perf_counter()
        found: list[object] | Exception = RuntimeError("the prediction did not come to an end")
        try:
            made: list[object] = []
            for start in range(0, len(items), BATCH_ROWS):
                made += plan.predict([item.row for item in items[start : start + BATCH_ROWS]])
            found = made
        except FAILURES as error:
            found = error
        finally:
            self._finish(items, found, perf_counter() - started)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "mlplat-predict")
        while self._waiting:
            items = self._accept(self._next())
            if not items:
                continue
            found: Sequence[object] | Exception = RuntimeError("the service is stopping")
            rows = [item.row for item in items]
            started = perf_counter()
            try:
                found = await loop.run_in_executor(self._thread, items[0].plan.predict, rows)
            except FAILURES as error:
                found = error
            finally:
                self._finish(items, found, perf_counter() - started)

    def _next(self) -> list[ItemT]:
        """The next rows of one model."""
        items = [self._waiting.popleft()]
        plan = items[0].plan
        while self._waiting and self._waiting[0].plan is plan and len(items) < BATCH_ROWS:
            items.append(self._waiting.popleft())
        return items
