"""Point-in-time joins side by side: ours, Feast's two engines, pandas and Polars by hand.

    python -m bench.point_in_time

Every engine reads the same Parquet files and gives a whole table: 4 views of 5 features, a ttl of
30 days, ten feature rows a label. Each is a process of its own; the engines of one size take
turns, and the first turn is not counted. Memory is the process's greatest resident set, libraries
included. Prints a table and writes bench/results/point_in_time.json.
"""

import json
import math
import platform
import statistics
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import psutil

from bench.measured_process import MeasuredProcess
from bench.peer_environment import peer_python
from bench.point_in_time_data import ROWS_PER_LABEL, write_files
from bench.point_in_time_differences import differences
from bench.point_in_time_engines import ENGINES, ours

_RESULTS = Path(__file__).resolve().parent / "results" / "point_in_time.json"
_NAMES = {
    "ours": "mlplat",
    "polars": "Polars join_asof, ties sorted",
    "polars_ties_ignored": "Polars join_asof, ties ignored",
    "pandas": "pandas merge_asof",
    "duckdb": "Feast, DuckDB engine",
    "dask": "Feast, default engine (Dask)",
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """Engines that join files of one size, and how often each is counted; slow ones less often.

    A run before these is not counted, except of an engine that is to be counted 0 times: that one
    runs once.
    """

    labels: int
    keys: str
    engines: tuple[str, ...]
    runs: int
    slow: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one engine took for one case; times in seconds, `differences` from our values."""

    engine: str
    labels: int
    keys: str
    runs: int
    seconds: float
    fastest: float
    slowest: float
    peak_mb: int
    differences: dict[str, int]


_ALL = tuple(_NAMES)
_OWN = tuple(ENGINES)
# Feast at 1 M labels is left out: its default engine took 27 s for a tenth of that, and grows
# faster than the data. With Zipf keys both of its engines pair every label of a frequent key with
# every row of it: the default one takes more than a minute for 10 k labels, and neither had ended
# after some minutes for 100 k.
_CASES = (
    Case(labels=10_000, keys="uniform", engines=_ALL, runs=5),
    Case(labels=10_000, keys="zipf", engines=_ALL, runs=5, slow={"dask": 0, "duckdb": 0}),
    Case(labels=100_000, keys="uniform", engines=_ALL, runs=5),
    Case(labels=100_000, keys="zipf", engines=_OWN, runs=5),
    Case(labels=1_000_000, keys="uniform", engines=_OWN, runs=5, slow={"pandas": 0}),
    Case(labels=1_000_000, keys="zipf", engines=_OWN, runs=3, slow={"pandas": 0}),
)


def measured(case: Case, folder: Path) -> tuple[list[Row], dict[str, str]]:
    """A row per engine, and the versions of what they import."""
    write_files(folder, case.labels, case.keys)
    processes = {engine: _process(engine, folder) for engine in case.engines}
    for turn in range(case.runs + 1):
        for engine, process in processes.items():
            if turn <= case.slow.get(engine, case.runs):
                process.run()
    peaks = {engine: p.finish(folder / f"{engine}.result") for engine, p in processes.items()}
    joined = pl.DataFrame(pl.from_arrow(ours(folder, provenance=True)))
    rows = []
    for engine, process in processes.items():
        counted = process.seconds[1:] or process.seconds
        row = Row(
            engine=engine,
            labels=case.labels,
            keys=case.keys,
            runs=len(counted),
            seconds=round(statistics.median(counted), 4),
            fastest=round(min(counted), 4),
            slowest=round(max(counted), 4),
            peak_mb=round(peaks[engine]),
            differences=differences(folder, joined, folder / f"{engine}.result"),
        )
        _print_row(row)
        rows.append(row)
    versions = {
        f"{'feast: ' if engine in ('dask', 'duckdb') else ''}{name}": number
        for engine, process in processes.items()
        for name, number in process.versions.items()
    }
    return rows, versions


def _process(engine: str, folder: Path) -> MeasuredProcess:
    if engine in ENGINES:
        return MeasuredProcess(
            [sys.executable, "-m", "bench.point_in_time_engines", engine, folder]
        )
    return MeasuredProcess(
        [peer_python("feast"), "-m", "bench.point_in_time_feast", engine, folder]
    )


def ratios(rows: list[Row]) -> dict[str, float]:
    """Theirs over ours for Feast, ours over theirs for Polars, and how our time grows."""
    seconds = {(row.engine, row.labels): row.seconds for row in rows if row.keys == "uniform"}
    peak = {(row.engine, row.labels): row.peak_mb for row in rows if row.keys == "uniform"}
    mine, largest = seconds["ours", 100_000], seconds["ours", 1_000_000]
    found = {
        "feast_default_100k": seconds["dask", 100_000] / mine,
        "feast_duckdb_100k": seconds["duckdb", 100_000] / mine,
        "bare_polars_100k": mine / seconds["polars", 100_000],
        "bare_polars_ties_ignored_100k": mine / seconds["polars_ties_ignored", 100_000],
        "bare_polars_1m": largest / seconds["polars", 1_000_000],
        "bare_polars_ties_ignored_1m": largest / seconds["polars_ties_ignored", 1_000_000],
        "peak_gb_1m": peak["ours", 1_000_000] / 1000,
        "growth_exponent": math.log(largest / seconds["ours", 10_000], 100),
    }
    return {name: round(value, 3) for name, value in found.items()}


def machine() -> dict[str, str | int]:
    """What the figures were measured on."""
    processor = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": processor[0] if processor else platform.machine(),
        "cores": psutil.cpu_count() or 0,
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _print_row(row: Row) -> None:
    sys.stdout.write(
        f"{row.labels:>9,}  {row.keys:<8} {_NAMES[row.engine]:<31} {row.seconds:>9.3f} s"
        f"  ({row.fastest:.3f} to {row.slowest:.3f}, {row.runs} runs) {row.peak_mb:>7,} MB\n"
    )
    for reason, number in row.differences.items():
        sys.stdout.write(f"{'':>20}differs in {number:,} {reason}\n")
    sys.stdout.flush()


def main() -> None:
    """Measure every case, print the table and write the results."""
    peer_python("feast")
    sys.stdout.write(
        f"Point-in-time join of n labels with 4 views of 5 features and {ROWS_PER_LABEL} n rows "
        "each; median of the runs, fastest and slowest; greatest memory\n"
    )
    rows: list[Row] = []
    versions: dict[str, str] = {}
    for case in _CASES:
        with TemporaryDirectory() as folder:
            found, of_engines = measured(case, Path(folder) / "files")
        rows += found
        versions |= of_engines
    result = {
        "measured_at": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "versions": dict(sorted(versions.items())),
        "ratios": ratios(rows),
        "rows": [asdict(row) for row in rows],
    }
    _RESULTS.parent.mkdir(exist_ok=True)
    _RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    for name, value in result["ratios"].items():
        sys.stdout.write(f"{name:<30} {value:>8.3f}\n")


if __name__ == "__main__":
    main()
