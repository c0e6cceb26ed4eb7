"""The micro-batcher of the peers: rows that wait in one turn of the event loop make one batch."""

import asyncio
import os

import numpy as np
import onnxruntime as ort

_ROWS = 64


class Batcher:
    """Predicts on the event loop: a batch takes less time than handing it to a thread."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session
        self._waiting: list[tuple[list[float], asyncio.Future[float]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def predict(self, row: list[float]) -> asyncio.Future[float]:
        """The prediction of one row, with whatever other rows came in this turn."""
        self._loop = self._loop or asyncio.get_running_loop()
        future: asyncio.Future[float] = self._loop.create_future()
        if not self._waiting:
            self._loop.call_soon(self._flush)
        self._waiting.append((row, future))
        return future

    def _flush(self) -> None:
        batch, self._waiting = self._waiting[:_ROWS], self._waiting[_ROWS:]
        if self._waiting and self._loop:
            self._loop.call_soon(self._flush)
        rows = np.asarray([row for row, _ in batch], np.float32)
        (found,) = self._session.run(None, {"x": rows})
        for (_, future), prediction in zip(batch, np.asarray(found).tolist(), strict=True):
            if not future.cancelled():
                future.set_result(prediction)


def graph_from_environment() -> ort.InferenceSession:
    """A session on one thread over the graph that SERVING_GRAPH names."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(
        os.environ["SERVING_GRAPH"], options, providers=["CPUExecutionProvider"]
    )
