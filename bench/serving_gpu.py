"""Serving on a GPU: rows a second and latency by batch, and the gain of batching over batch 1.

    python -m bench.serving_gpu

Needs torch and NumPy alone, and a CUDA device; weights and rows are made up. The platform's network
predicts through the buckets that serve on a GPU: rows from the host, predictions back to it,
one call after another, each size as a recorded CUDA graph, in fp32 and in bf16. Prints a table and
the same as JSON.
"""

# ruff: noqa: TID253  a bench of torch needs torch

import json
import sys
import time
from dataclasses import asdict, dataclass

import numpy as np
import torch

from bentos.model_server.runtime.buckets import SIZES, Buckets, Precision
from mlplat_assets.models.trainers.network import Shape, TabularNetwork

NUMERIC, CATEGORIES = 37, (16, 3, 102, 28, 2, 101)
SECONDS = 1.0
_WARM_UPS = 20


@dataclass(frozen=True, kw_only=True)
class Found:
    """What batches of one size took, from the host's rows to the host's predictions."""

    device: str
    precision: Precision
    rows: int
    rows_per_s: float
    p50_ms: float
    p99_ms: float


def network() -> TabularNetwork:
    """The platform's network in its default size, with made-up weights."""
    torch.manual_seed(1)
    shape = Shape(
        categories=CATEGORIES, outputs=1, hidden=192, layers=2, dropout=0.0,
        frequencies=8, frequency_scale=0.1, periodic_width=6,
    )  # fmt: skip
    return TabularNetwork(shape, torch.randn(1000, NUMERIC), classifier=True)


def measured(
    buckets: Buckets, device: str, precision: Precision, rows: int, seconds: float
) -> Found:
    """Calls with `rows` rows one after another for so many seconds, warmed up."""
    random = np.random.default_rng(rows)
    numeric = random.standard_normal((rows, NUMERIC), dtype=np.float32)
    codes = [random.integers(0, size + 1, rows) for size in CATEGORIES]
    categorical = np.stack(codes, axis=1).astype(np.int64)
    for _ in range(_WARM_UPS):
        buckets(numeric, categorical)
    spans: list[float] = []
    ends = time.perf_counter() + seconds
    while (began := time.perf_counter()) < ends:
        buckets(numeric, categorical)
        spans.append(time.perf_counter() - began)
    return Found(
        device=device,
        precision=precision,
        rows=rows,
        rows_per_s=round(rows * len(spans) / sum(spans), 1),
        p50_ms=round(float(np.percentile(spans, 50)) * 1e3, 4),
        p99_ms=round(float(np.percentile(spans, 99)) * 1e3, 4),
    )


def table(device: str, sizes: tuple[int, ...], seconds: float) -> list[Found]:
    """Every size in both precisions; prints each line as it is found."""
    found: list[Found] = []
    for precision in ("fp32", "bf16"):
        buckets = Buckets(
            network(), numeric=NUMERIC, categorical=len(CATEGORIES), device=device,
            precision=precision, sizes=sizes,
        )  # fmt: skip
        one = 0.0
        for rows in sizes:
            line = measured(buckets, device, precision, rows, seconds)
            one = one or line.rows_per_s / rows
            sys.stdout.write(
                f"{device:<5}{precision:<6}batch {rows:>5}  {line.rows_per_s:>13,.0f} rows/s  "
                f"p50 {line.p50_ms:>8.3f} ms  p99 {line.p99_ms:>8.3f} ms  "
                f"{line.rows_per_s / one:>7.1f} x batch 1\n"
            )
            sys.stdout.flush()
            found.append(line)
    return found


def main() -> int:
    """Measures every size; says so and returns 1 where there is no GPU."""
    if not torch.cuda.is_available():
        sys.stderr.write(
            "no GPU: torch.cuda.is_available() is False, so there is nothing to measure here; "
            "bench.serving measures the CPU\n"
        )
        return 1
    name = torch.cuda.get_device_name()
    sys.stdout.write(f"{name}, torch {torch.__version__}\n")
    found = table("cuda", SIZES, SECONDS)
    document = {"device": name, "batches": [asdict(line) for line in found]}
    sys.stdout.write(json.dumps(document) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
