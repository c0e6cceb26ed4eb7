"""What wrk measures of one running server, with the processor time that it took."""

import json
import statistics
import subprocess
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.serving_contenders import Running

CLIENT_CORE = 1
CONNECTIONS = (1, 8, 32, 64)
_SCRIPT = Path(__file__).with_name("serving_wrk.lua")


@dataclass(frozen=True, kw_only=True)
class Point:
    """One run of wrk: times in ms, processor time of the server's processes in microseconds."""

    requests_per_s: float
    p50: float
    p99: float
    p999: float
    cpu_us: float
    requests: int
    non_2xx: int
    broken: int


def wrk(
    running: Running,
    bodies: Path,
    connections: int,
    seconds: int,
    core: int | None = CLIENT_CORE,
) -> Point:
    """Drive a server, from the client's core unless told another or none.

    Raises:
        RuntimeError: wrk could not drive it; says why.
    """
    pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
    command = [*pinned, "wrk", "--threads", "1", "--connections", str(connections)]
    command += ["--duration", f"{seconds}s", "--timeout", "10s", "--script", str(_SCRIPT)]
    command += [running.url, "--", str(bodies)]
    before = running.processor_seconds()
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    used = running.processor_seconds() - before
    if ran.returncode:
        raise RuntimeError(f"wrk on {running.contender.name}: {ran.stdout}{ran.stderr}")
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return Point(
        requests_per_s=found["requests"] / found["seconds"],
        p50=found["p50"],
        p99=found["p99"],
        p999=found["p999"],
        cpu_us=1e6 * used / max(found["requests"], 1),
        requests=found["requests"],
        non_2xx=found["non_2xx"],
        broken=found["broken"],
    )


class Points:
    """All runs by contender and connections."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], list[Point]] = defaultdict(list)

    def add(self, name: str, connections: int, point: Point) -> None:
        """One run more."""
        self._found[name, connections].append(point)

    def median(self, name: str, connections: int, what: str) -> float:
        """The median of a measure over the runs."""
        runs = self._found[name, connections]
        return statistics.median(getattr(run, what) for run in runs)

    def table(self) -> list[dict[str, Any]]:
        """Medians by contender and connections; failures are summed."""
        rows: list[dict[str, Any]] = []
        for (name, connections), runs in self._found.items():
            row: dict[str, Any] = {"server": name, "connections": connections, "runs": len(runs)}
            for what in asdict(runs[0]):
                if what in ("requests", "non_2xx", "broken"):
                    row[what] = sum(getattr(run, what) for run in runs)
                else:
                    row[what] = round(self.median(name, connections, what), 3)
            rates = [run.requests_per_s for run in runs]
            row["requests_per_s"] = round(row["requests_per_s"])
            row["least_and_most_per_s"] = [round(min(rates)), round(max(rates))]
            rows.append(row)
        return rows
