"""What a block took is measured of this process and its children, and priced as declared."""

import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mlplat_assets.models.lineage.usage import Meter, Usage, metered
from resources.settings import from_environment

BURN = "import time\nwhile time.process_time() < 0.5: pass"
MIB = 1 << 20


def used(work) -> Usage:
    meter = Meter()
    with metered(meter):
        work()
    return meter.usage


def python(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True)


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_the_time_of_the_processor_is_counted_here_and_in_children() -> None:
    own = used(lambda: burn(0.2))
    assert own.cpu_seconds == pytest.approx(0.2, abs=0.1)
    assert own.wall_seconds >= own.cpu_seconds - 0.05 and own.gpu_seconds == 0
    child = used(lambda: python(BURN))
    assert 0.4 <= child.cpu_seconds <= 2.0


def test_a_block_that_waits_takes_wall_time_alone() -> None:
    waiting = used(lambda: python("import time; time.sleep(0.3)"))
    assert waiting.wall_seconds >= 0.3 and waiting.cpu_seconds < 0.3


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux resets peaks")
def test_the_peak_is_of_the_block_not_of_what_was_before() -> None:
    def hold(mebibytes: int) -> None:
        assert len(b"\1" * (mebibytes * MIB)) == mebibytes * MIB

    great, small = used(lambda: hold(300)), used(lambda: hold(20))
    assert great.peak_memory_bytes - small.peak_memory_bytes > 200 * MIB
    # More than any child before: the system keeps the greatest of all.
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024 + 100
    child = used(lambda: python(f"x = b'1' * ({most} << 20)"))
    assert child.peak_memory_bytes > most * MIB


def test_a_block_that_fails_is_measured_too() -> None:
    meter = Meter()
    with pytest.raises(ValueError, match="broken"), metered(meter):
        burn(0.1)
        raise ValueError("broken")
    assert meter.usage.cpu_seconds == pytest.approx(0.1, abs=0.05)


def test_time_is_priced_by_the_hour_and_has_no_price_unless_declared() -> None:
    took = Usage(wall_seconds=9000, cpu_seconds=7200, gpu_seconds=1800, peak_memory_bytes=1)
    settings = from_environment({})
    assert took.amount(settings) is None
    priced = replace(settings, cpu_hour_price=0.05)
    assert took.amount(priced) == pytest.approx(0.10)
    assert took.amount(replace(priced, gpu_hour_price=2.0)) == pytest.approx(1.10)


@pytest.mark.parametrize("price", ["free", "-1", "nan", "inf"])
def test_a_price_that_is_none_is_refused(price: str) -> None:
    with pytest.raises(ValueError, match=f"MLPLAT_GPU_HOUR_PRICE is '{price}'"):
        from_environment({"MLPLAT_GPU_HOUR_PRICE": price})
