"""Which runtime predicts: PyTorch where a GPU and its libraries are, else onnxruntime."""

from collections.abc import Mapping
from importlib.util import find_spec
from logging import getLogger
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

_DEVICES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))
_log = getLogger("bentoml.mlplat.runtime")


class Runtime(Protocol):
    """Predicts from encoded rows."""

    def __call__(
        self, numeric: npt.NDArray[np.float32], categorical: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Predictions [n] or [n, K] of `numeric` [n, N] and `categorical` [n, C]."""
        ...


def runtime(graph: bytes, preprocessing: Mapping[str, Any], threads: int, gpu: bool) -> Runtime:
    """The runtime of a graph: on the GPU if it may be there, and is.

    Raises:
        GraphUnusable: The bytes are no graph.
    """
    if gpu and has_gpu():
        from bentos.model_server.runtime.gpu import gpu_runtime
        from bentos.model_server.runtime.translated import GraphUntranslatable

        categories = [len(listed) for listed in preprocessing["categorical"].values()]
        try:
            return gpu_runtime(graph, len(preprocessing["numeric"]), categories)
        # RuntimeError: what torch and CUDA raise, out of memory among them.
        except (GraphUntranslatable, RuntimeError) as error:
            _log.warning("predicting on the CPU beside a GPU: %s", error)
    from bentos.model_server.runtime.cpu import CpuRuntime

    return CpuRuntime(graph, threads)


def has_gpu() -> bool:
    """Whether a GPU and what drives it from here are present.

    The device files first: importing torch takes 2 s, which a machine without a GPU need not wait.
    """
    if not any(device.exists() for device in _DEVICES):
        return False
    if find_spec("torch") is None or find_spec("onnx") is None:
        return False
    import torch

    return torch.cuda.is_available()
