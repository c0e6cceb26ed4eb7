"""What a piece of work took: wall time, CPU and GPU seconds, peak memory; and what it costs."""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from resources.settings import Settings

_SELF, _CHILDREN = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): resets the peak resident set size to what is resident now


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What was used.

    Attributes:
        wall_seconds: From beginning to end.
        cpu_seconds: User and system time of this process and of its children that have ended.
        gpu_seconds: Wall time for each GPU on which this process held memory, busy or not: a GPU
            that is held is paid for.
        peak_memory_bytes: Greatest resident size of this process, or of a child if one was greater.
    """

    wall_seconds: float
    cpu_seconds: float
    gpu_seconds: float
    peak_memory_bytes: int

    def amount(self, settings: Settings) -> float | None:
        """Its estimated cost in `settings.currency`; None where no price is declared.

        CPU and GPU time at their prices of an hour; one that has no price costs nothing.
        """
        prices = settings.cpu_hour_price, settings.gpu_hour_price
        if prices == (None, None):
            return None
        used = self.cpu_seconds, self.gpu_seconds
        return sum(
            seconds / 3600 * (price or 0) for seconds, price in zip(used, prices, strict=True)
        )


NOTHING = Usage(wall_seconds=0, cpu_seconds=0, gpu_seconds=0, peak_memory_bytes=0)


@dataclass(kw_only=True)
class Meter:
    """What a block used, known when it has ended, however it ended."""

    usage: Usage = field(default=NOTHING)


@contextmanager
def metered(meter: Meter) -> Iterator[None]:
    """Measure the block. Blocks of one process must not overlap, or the peak is of both."""
    started, cpu = time.monotonic(), _cpu_seconds()
    children = resource.getrusage(_CHILDREN).ru_maxrss
    _reset_peaks()
    try:
        yield
    finally:
        wall, ended = time.monotonic() - started, resource.getrusage(_CHILDREN).ru_maxrss
        meter.usage = Usage(
            wall_seconds=round(wall, 3),
            cpu_seconds=round(_cpu_seconds() - cpu, 3),
            gpu_seconds=round(wall * _gpus_held(), 3),
            peak_memory_bytes=max(_own_peak(), _bytes(ended) if ended > children else 0),
        )


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (_SELF, _CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _own_peak() -> int:
    if not _STATUS.exists():  # not Linux: the peak of the process so far
        return _bytes(resource.getrusage(_SELF).ru_maxrss)
    lines = _STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


def _bytes(maximum: int) -> int:
    """`ru_maxrss` in bytes: it is in KiB, on macOS in bytes."""
    return maximum if sys.platform == "darwin" else maximum * 1024


def _reset_peaks() -> None:
    if _CLEAR.exists():
        _CLEAR.write_text(_RESET_PEAK)
    if _gpus_held():
        import torch

        for device in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(device)


def _gpus_held() -> int:
    """How many GPUs have held memory of this process since the last reset."""
    if "torch" not in sys.modules:
        return 0
    import torch

    if not torch.cuda.is_initialized():
        return 0
    devices = range(torch.cuda.device_count())
    return sum(torch.cuda.max_memory_allocated(device) > 0 for device in devices)
