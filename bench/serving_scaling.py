"""The model server with one worker and with two, on two cores that the client shares.

    python -m bench.serving_scaling

Nothing is pinned. wrk takes from the same two cores, so that requests/s understate two workers;
processor time per request does not. Writes bench/results/serving_scaling.json. Takes two minutes.
"""

import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from bench.machine import machine
from bench.serving_contenders import Running, curl_status, ours, started
from bench.serving_load import Point, wrk
from bench.serving_world import MODEL, fill_store, make_home, write_bodies

RESULTS = Path(__file__).parent / "results" / "serving_scaling.json"
WORKERS = (1, 2)
ROUNDS = 5
SECONDS = 3
CONNECTIONS = 64
START_SECONDS = 120.0


def all_answer(running: Running, journal: Path, workers: int, body: str) -> None:
    """Ask until every worker has written to the journal.

    Raises:
        TimeoutError: Not all of them do.
    """
    deadline = time.monotonic() + START_SECONDS
    while len({path.name.split("-")[1] for path in journal.glob("*.ndjson")}) < workers:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not all of {workers} workers answer")
        curl_status(running.url, body)


def measured(folder: Path) -> dict[int, list[Point]]:
    """Runs by number of workers, in turns."""
    home = folder / "home"
    make_home(home)
    fill_store(f"sqlite:///{home / 'online.sqlite'}")
    bodies = write_bodies(folder, 1000)["full"]
    body = bodies.open().readline().strip()
    found: dict[int, list[Point]] = defaultdict(list)
    with ExitStack() as stack:
        servers: dict[int, Running] = {}
        for workers in WORKERS:
            option = f"services.ModelServer.workers={workers}"
            contender = ours(f"workers_{workers}", home, BENTOML_CONFIG_OPTIONS=option)
            log = folder / f"{workers}.log"
            servers[workers] = stack.enter_context(started(contender, log, body, None))
            journal = Path(contender.environment["MLPLAT_JOURNAL"]) / MODEL
            all_answer(servers[workers], journal, workers, body)
            wrk(servers[workers], bodies, CONNECTIONS, SECONDS, core=None)
        for _ in range(ROUNDS):
            for workers, running in servers.items():
                point = wrk(running, bodies, CONNECTIONS, SECONDS, core=None)
                found[workers].append(point)
    return found


def main() -> None:
    """Measure, write the results, print them."""
    with tempfile.TemporaryDirectory() as name:
        found = measured(Path(name))
    rows = {
        str(workers): {
            what: round(statistics.median(getattr(point, what) for point in points), 2)
            for what in ("requests_per_s", "p50", "p99", "cpu_us")
        }
        | {"failed": sum(point.non_2xx + point.broken for point in points)}
        for workers, points in found.items()
    }
    ratios = {
        "two_vs_one": round(rows["2"]["requests_per_s"] / rows["1"]["requests_per_s"], 2),
        "cpu_per_request_two_vs_one": round(rows["2"]["cpu_us"] / rows["1"]["cpu_us"], 2),
    }
    document = {"machine": machine(), "workers": rows, "ratios": ratios}
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    sys.stdout.write(json.dumps(document["workers"], indent=2) + f"\n{ratios}\n")


if __name__ == "__main__":
    main()
