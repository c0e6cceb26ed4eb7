"""The bench of the GPU, on the CPU with sizes that take no time."""

import pytest
import torch

from bench import serving_gpu


def test_each_size_is_measured_in_both_precisions(capsys: pytest.CaptureFixture[str]) -> None:
    found = serving_gpu.table("cpu", (1, 8), seconds=0.05)
    assert [(line.precision, line.rows) for line in found] == [
        ("fp32", 1), ("fp32", 8), ("bf16", 1), ("bf16", 8),
    ]  # fmt: skip
    assert all(line.rows_per_s > 0 and line.p50_ms <= line.p99_ms for line in found)
    assert capsys.readouterr().out.count("x batch 1") == 4


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is present: there is what to measure")
def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert serving_gpu.main() == 1
    assert "no GPU" in capsys.readouterr().err
