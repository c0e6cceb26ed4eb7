"""A module on a device, in batches padded to powers of two.

On CUDA each size is one recorded graph: a prediction is a copy, a replay and a copy, where the
launches of thirty kernels from Python would take longer than the kernels.
"""

import threading
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Precision = Literal["fp32", "bf16"]
SIZES = tuple(2**power for power in range(11))
_WARM_UPS = 3


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """The memory that batches of one size pass through, and the recorded graph on CUDA."""

    numeric: Tensor
    categorical: Tensor
    output: Tensor | None = None
    graph: torch.cuda.CUDAGraph | None = None


class Buckets:
    """Predicts on a device. One call runs at a time: the buckets' memory is shared."""

    def __init__(
        self,
        module: nn.Module,
        *,
        numeric: int,
        categorical: int,
        device: str,
        precision: Precision = "fp32",
        sizes: tuple[int, ...] = SIZES,
    ) -> None:
        """The module's weights move to the device; `sizes` are ascending."""
        self.precision: Precision = precision
        self._device = torch.device(device)
        self._module = module.eval().requires_grad_(False).to(self._device)
        self._columns = numeric, categorical
        self._lock = threading.Lock()
        with torch.inference_mode():
            self._buckets = {size: self._bucket(size) for size in sizes}

    def __call__(
        self, numeric: npt.NDArray[np.float32], categorical: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Predictions [n] or [n, K]; more rows than the largest size go in several batches."""
        largest = max(self._buckets)
        with self._lock, torch.inference_mode():
            parts = [
                self._predict(
                    numeric[first : first + largest], categorical[first : first + largest]
                )
                for first in range(0, max(len(numeric), 1), largest)
            ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _predict(self, numeric: np.ndarray, categorical: np.ndarray) -> npt.NDArray[np.float32]:
        rows = len(numeric)
        bucket = self._buckets[next(size for size in self._buckets if size >= rows)]
        # What an earlier batch left in the rows behind is predicted too, and not read.
        bucket.numeric[:rows].copy_(torch.from_numpy(numeric))
        bucket.categorical[:rows].copy_(torch.from_numpy(categorical))
        if bucket.graph is None or bucket.output is None:
            output = self._run(bucket)
        else:
            bucket.graph.replay()
            output = bucket.output
        return output[:rows].cpu().numpy()

    def _run(self, bucket: Bucket) -> Tensor:
        bf16 = self.precision == "bf16"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=bf16, cache_enabled=False):
            return self._module(bucket.numeric, bucket.categorical).float()

    def _bucket(self, size: int) -> Bucket:
        numeric, categorical = self._columns
        bucket = Bucket(
            numeric=torch.zeros(size, numeric, device=self._device),
            categorical=torch.zeros(size, categorical, dtype=torch.int64, device=self._device),
        )
        if self._device.type != "cuda":
            return bucket
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UPS):
                self._run(bucket)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Another thread may predict with the version before while this one is recorded.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            output = self._run(bucket)
        return Bucket(
            numeric=bucket.numeric, categorical=bucket.categorical, output=output, graph=graph
        )
