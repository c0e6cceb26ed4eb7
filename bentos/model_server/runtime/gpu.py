"""A model's graph on a GPU, in bf16 where that predicts the same within a declared tolerance."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
import numpy.typing as npt
import torch

from bentos.model_server.runtime.buckets import SIZES, Buckets, Precision
from bentos.model_server.runtime.translated import TranslatedGraph

# The largest difference of a prediction in bf16 from fp32, relative to values beyond 1. A number in
# bf16 is off by up to 0.004 of itself; over the sums of a layer most of that cancels.
BF16_TOLERANCE = 0.01
_EXAMPLES = 512


def gpu_runtime(
    graph: bytes,
    numeric: int,
    categories: Sequence[int],
    device: str = "cuda",
    sizes: tuple[int, ...] = SIZES,
) -> Buckets:
    """The graph of so many numeric columns, and categorical ones of so many categories, loaded.

    Raises:
        GraphUntranslatable: It uses an operator that has no counterpart.
    """
    # TF32 would differ from fp32 by as much as bf16 does.
    torch.set_float32_matmul_precision("highest")
    exact, quick = (
        Buckets(
            TranslatedGraph(graph),
            numeric=numeric,
            categorical=len(categories),
            device=device,
            precision=precision,
            sizes=sizes,
        )
        for precision in get_args(Precision)
    )
    rows = examples(numeric, categories)
    return quick if difference(quick(*rows), exact(*rows)) <= BF16_TOLERANCE else exact


def difference(found: npt.NDArray[np.float32], wanted: npt.NDArray[np.float32]) -> float:
    """The largest difference, relative for values beyond 1; infinite where one is not finite."""
    gap = np.abs(found - wanted) / np.maximum(np.abs(wanted), 1.0)
    return float(gap.max()) if np.isfinite(gap).all() else float("inf")


def examples(
    numeric: int, categories: Sequence[int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """The same rows each time: numbers of every magnitude, one in ten missing, every category."""
    random = np.random.default_rng(1)
    shape = (_EXAMPLES, numeric)
    numbers = random.choice([-1.0, 1.0], shape) * 10.0 ** random.uniform(-3, 4, shape)
    numbers[random.random(shape) < 0.1] = np.nan
    codes = [random.integers(0, size + 1, _EXAMPLES) for size in categories]
    stacked = np.stack(codes, axis=1) if codes else np.zeros((_EXAMPLES, 0))
    return numbers.astype(np.float32), stacked.astype(np.int64)
