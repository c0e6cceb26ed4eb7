"""The GPU bench runs where torch, Lightning and NumPy are all there is, and says if no GPU is."""

import subprocess
import sys

import pytest
import torch

# What the platform has besides; imports of these must fail in the child.
ABSENT = ("polars", "dagster", "pyarrow", "duckdb", "safetensors", "sklearn", "pandas", "mlflow")

PROGRAM = f"""
import sys
sys.modules.update(dict.fromkeys({ABSENT!r}))
from bench import training_gpu
case = training_gpu.Case(accelerator="cpu", batch_size=256, precision="bf16-mixed")
found = training_gpu.measured(case, training_gpu.problem(1024), epochs=2)
assert found.rows_per_s > 0 and found.utilisation is None
assert len(training_gpu.cases()) == 18
raise SystemExit(training_gpu.main())
"""


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here, which takes minutes")
def test_the_gpu_bench_needs_no_platform_and_says_that_there_is_no_gpu() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 1, ran.stderr
    assert "no GPU: torch.cuda.is_available() is False" in ran.stderr
    assert "Traceback" not in ran.stderr
