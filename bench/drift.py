"""Drift of a million rows against a stored profile, and Evidently's on the same files.

python -m bench.drift

Each contender is a process of its own, from Parquet to verdicts; CPU-seconds and memory are those
of the whole process, its imports included.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.drift_data import CATEGORICAL, DRIFTED, NUMERIC, SPOILT, write
from bench.drift_tick import tick
from bench.machine import machine

RESULTS = Path(__file__).parent / "results" / "drift.json"
_ROOT = Path(__file__).resolve().parent.parent
# Their telemetry is off, and byte code is kept from an earlier run: both would be measured.
_QUIET = {"DO_NOT_TRACK": "1", "PYTHONDONTWRITEBYTECODE": ""}


def measured(name: str, folder: Path, rows: int) -> dict[str, Any]:
    """CPU-seconds, wall seconds and peak memory of a contender's process, and what it found.

    Raises:
        RuntimeError: It failed; what it said is on standard error.
    """
    command = [sys.executable, "-m", "bench.drift_contenders", name, str(folder), str(rows)]
    start = time.perf_counter()
    child = subprocess.Popen(command, cwd=_ROOT, env=os.environ | _QUIET)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}")
    return {
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "seconds": round(time.perf_counter() - start, 2),
        "peak_mb": round(usage.ru_maxrss / 1024),
        "found": json.loads((folder / f"{name}_answer.json").read_text()),
    }


def compared(ours: dict[str, Any], theirs: dict[str, Any]) -> list[dict[str, Any]]:
    """The columns that something happened to, or that the two disagree on."""
    happened = DRIFTED | SPOILT
    return [
        {
            "column": name,
            "happened": happened.get(name, "nothing"),
            "verdict": found["verdict"],
            "psi": round(found["psi"], 4),
            "evidently": "drift" if theirs[name]["drifted"] else "no drift",
            "evidently_distance": round(theirs[name]["distance"], 4),
        }
        for name, found in ours.items()
        if name in happened or (found["verdict"] == "DRIFT") != theirs[name]["drifted"]
    ]


def main() -> None:
    """Run all contenders and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows: int = parser.parse_args().rows
    with TemporaryDirectory() as place:
        folder = Path(place)
        write(folder / "reference.parquet", rows, seed=1, current=False)
        for size in (rows, 2 * rows):
            write(folder / f"current_{size}.parquet", size, seed=2, current=True)
        stored = measured("profile", folder, rows)
        ours = {size: measured("ours", folder, size) for size in (rows, 2 * rows)}
        theirs = measured("evidently", folder, rows)
    once = ours[rows]
    result = {
        "rows": rows,
        "columns": {"numeric": NUMERIC, "categorical": CATEGORICAL},
        "cpu_seconds": once["cpu_seconds"],
        "peak_mb": once["peak_mb"],
        "ratios": {"evidently_cpu": round(theirs["cpu_seconds"] / once["cpu_seconds"], 1)},
        "ours": [{"rows": size} | without_verdicts(one) for size, one in ours.items()],
        "profile": without_verdicts(stored) | stored["found"],
        "evidently": without_verdicts(theirs),
        "verdicts": compared(once["found"], theirs["found"]),
        "tick": tick(models=100, rows=1_000),
        "versions": {name: version(name) for name in ("duckdb", "polars", "evidently")},
        "machine": machine(),
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(json.dumps(result, indent=2) + "\n")


def without_verdicts(one: dict[str, Any]) -> dict[str, Any]:
    """What a process cost."""
    return {name: value for name, value in one.items() if name != "found"}


if __name__ == "__main__":
    main()
