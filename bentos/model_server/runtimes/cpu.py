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

# Kernels take rows four at a time, and round the rows that are left over otherwise: of 5,000 rows
# 1,057 had other bits alone than among others. In whole blocks none has.
_BLOCK = 4
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
        # An exporter prunes an input that has no columns.
        self._inputs = {argument.name for argument in self._session.get_inputs()}

    def __call__(
        self, numeric: npt.NDArray[np.float32], categorical: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Predictions [n] or [n, K]; a row's has the same bits whichever rows it comes with."""
        arrays = {"numeric": in_blocks(numeric), "categorical": in_blocks(categorical)}
        fed = {name: arrays[name] for name in self._inputs}
        (prediction,) = self._session.run(["prediction"], fed)
        return np.asarray(prediction, dtype=np.float32)[: len(numeric)]


def in_blocks(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The rows [n, N], and rows of zeros up to a whole number of blocks."""
    short = -len(rows) % _BLOCK
    if not short:
        return rows
    return np.concatenate([rows, np.zeros((short, rows.shape[1]), rows.dtype)])


def graph_session(graph: bytes, threads: int) -> ort.InferenceSession:
    """A session over a graph, on `threads` of the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
