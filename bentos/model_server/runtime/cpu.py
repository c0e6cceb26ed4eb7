"""A model's graph on the CPU, by onnxruntime, which takes 0.3 s to import: hence a module."""

import os
from typing import Any

import numpy as np
import numpy.typing as npt

# onnxruntime reports its use, by a number of the machine that it keeps in the home folder, unless
# this is set before it is first imported; switching it off afterwards comes too late.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NotImplemented,
)

from bentos.model_server.runtime.exactness import PADDED_TO, Batching, batching_of

# onnxruntime has a class for every status and only RuntimeError and Exception above.
_ERRORS = (RuntimeError, Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NotImplemented)


class GraphUnusable(ValueError):
    """The bytes are no graph that onnxruntime can run."""


class CpuRuntime:
    """Predicts by onnxruntime."""

    def __init__(self, graph: bytes, threads: int) -> None:
        """A graph, on `threads` of the CPU.

        Raises:
            GraphUnusable: It cannot be run.
        """
        try:
            self._session = graph_session(graph, threads)
        except _ERRORS as error:
            raise GraphUnusable(str(error)) from error
        self._batching: Batching = batching_of(graph)
        # An exporter prunes an input that has no columns.
        self._inputs = {argument.name for argument in self._session.get_inputs()}

    def __call__(
        self, numeric: npt.NDArray[np.float32], categorical: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Predictions [n] or [n, K]; a row's has the same bits whichever rows it comes with.

        Raises:
            RuntimeError: The graph failed on these rows.
        """
        rows = len(numeric)
        if self._batching == "alone" and rows > 1:
            alone = [self._run(numeric[i : i + 1], categorical[i : i + 1]) for i in range(rows)]
            return np.concatenate(alone)
        if self._batching == "padded" and rows % PADDED_TO:
            numeric, categorical = _padded(numeric), _padded(categorical)
        return self._run(numeric, categorical)[:rows]

    def _run(
        self, numeric: npt.NDArray[np.float32], categorical: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        arrays = {"numeric": numeric, "categorical": categorical}
        fed = {name: arrays[name] for name in self._inputs}
        try:
            (prediction,) = self._session.run(["prediction"], fed)
        except _ERRORS as error:
            raise RuntimeError(f"onnxruntime: {error}") from error
        return np.asarray(prediction, dtype=np.float32)


def _padded(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array with rows of zeros up to a multiple of PADDED_TO."""
    padded = np.zeros((len(array) + -len(array) % PADDED_TO, array.shape[1]), array.dtype)
    padded[: len(array)] = array
    return padded


def graph_session(graph: bytes, threads: int) -> ort.InferenceSession:
    """A session over a graph, on `threads` of the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
