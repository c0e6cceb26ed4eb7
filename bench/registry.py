"""The registry at 100 to 100,000 versions on SQLite and PostgreSQL, MLflow's beside it.

python -m bench.registry

Every call is timed alone, on sizes and databases in turn, so that what else the machine does falls
on all of them alike; medians are compared. Filling is not timed.
"""

import argparse
import json
import os
import platform
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from bench.machine import machine
from bench.registry_data import (
    MODEL,
    candidate,
    filled,
    mlflow_store,
    postgres_schemas,
    promote,
    register,
)
from resources.registry.registry import Registry

RESULTS = Path(__file__).parent / "results" / "registry.json"
SIZES = (100, 4_000, 10_000, 100_000)
MLFLOW_SIZE = 4_000
CALLS = {"get": 400, "champion": 400, "create": 60, "promote": 30}
MODEL_CALLS = 40

Case = tuple[str, str, int]


class Timings:
    """Seconds of single calls by engine, operation and size."""

    def __init__(self) -> None:
        self._seconds: dict[Case, list[float]] = defaultdict(list)

    def call(self, case: Case, work: Callable[[], object]) -> None:
        """Time one call."""
        before = time.perf_counter()
        work()
        self._seconds[case].append(time.perf_counter() - before)

    def ms(self, engine: str, operation: str, size: int) -> float:
        """The median in milliseconds."""
        return 1e3 * statistics.median(self._seconds[engine, operation, size])

    def table(self) -> list[dict[str, Any]]:
        """Medians and 95th percentiles by case."""
        return [
            {
                "engine": engine,
                "operation": operation,
                "versions": size,
                "p50_ms": round(self.ms(engine, operation, size), 3),
                "p95_ms": round(1e3 * statistics.quantiles(seconds, n=20)[18], 3),
                "calls": len(seconds),
            }
            for (engine, operation, size), seconds in sorted(self._seconds.items())
        ]


def ours(timings: Timings, engine: str, size: int, store: Registry, operation: str) -> None:
    """One timed call on our registry."""
    case = engine, operation, size
    match operation:
        case "get":
            number = random.randint(1, size)
            timings.call(case, lambda: store.version(MODEL, number))
        case "champion":
            timings.call(case, lambda: store.champion(MODEL))
        case "create":
            made = candidate(0, 1)
            timings.call(case, lambda: register(store, made))
        case "promote":
            champion = store.champion(MODEL)
            made = register(store, candidate(0, champion.number if champion else None))
            timings.call(case, lambda: promote(store, made.number))


def mlflows(timings: Timings, store: Any, operation: str) -> None:  # noqa: ANN401
    """One timed call on MLflow's registry; promoting is setting the alias."""
    case = "mlflow_sqlite", operation, MLFLOW_SIZE
    number = str(random.randint(1, MLFLOW_SIZE))
    match operation:
        case "get":
            timings.call(case, lambda: store.get_model_version(MODEL, number))
        case "champion":
            timings.call(case, lambda: store.get_model_version_by_alias(MODEL, "champion"))
        case "create":
            run = uuid4().hex
            timings.call(case, lambda: store.create_model_version(MODEL, source=run, run_id=run))
        case "promote":
            timings.call(case, lambda: store.set_registered_model_alias(MODEL, "champion", number))


def measured(stores: dict[tuple[str, int], Registry], peer: Any) -> Timings:  # noqa: ANN401
    """Every operation on every registry, in turn."""
    timings = Timings()
    for operation, calls in CALLS.items():
        turn = [
            partial(ours, timings, engine, size, store, operation)
            for (engine, size), store in stores.items()
        ]
        turn.append(partial(mlflows, timings, peer, operation))
        for _ in range(calls):
            # Whoever comes after a long call finds the processor's caches cold.
            random.shuffle(turn)
            for call in turn:
                call()
    for _ in range(MODEL_CALLS):
        case = "mlflow_sqlite", "get_model", MLFLOW_SIZE
        timings.call(case, lambda: peer.get_registered_model(MODEL))
    return timings


def ratios(timings: Timings) -> dict[str, float]:
    """Growth of ours from 100 to 100,000, the worse of the databases; MLflow's time over ours."""
    engines, largest = ("ours_sqlite", "ours_postgresql"), SIZES[-1]
    grown = {
        f"{operation}_100k_over_100": max(
            timings.ms(engine, operation, largest) / timings.ms(engine, operation, SIZES[0])
            for engine in engines
        )
        for operation in CALLS
    }
    peer = {
        f"mlflow_{operation}_4k": timings.ms("mlflow_sqlite", operation, MLFLOW_SIZE)
        / timings.ms("ours_sqlite", operation, MLFLOW_SIZE)
        for operation in CALLS
    }
    whole = timings.ms("mlflow_sqlite", "get_model", MLFLOW_SIZE)
    model = {"mlflow_get_model_4k": whole / timings.ms("ours_sqlite", "champion", MLFLOW_SIZE)}
    return {name: round(ratio, 2) for name, ratio in (grown | peer | model).items()}


def verified(stores: dict[tuple[str, int], Registry]) -> dict[str, dict[str, float]]:
    """Entries and seconds of verifying the largest registry of each database."""
    found = {}
    for (engine, size), store in stores.items():
        if size == SIZES[-1]:
            before, processor = time.perf_counter(), time.process_time()
            entries = store.verify_audit()
            found[engine] = {
                "entries": entries,
                "seconds": round(time.perf_counter() - before, 1),
                "processor_seconds": round(time.process_time() - processor, 1),
            }
    return found


def main() -> None:
    """Fill, measure, write RESULTS and print them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--postgres", default="postgresql+psycopg://postgres@127.0.0.1/postgres")
    server = sa.make_url(parser.parse_args().postgres)
    with TemporaryDirectory() as folder, postgres_schemas(server, len(SIZES)) as schemas:
        files = [f"sqlite:///{folder}/{size}.sqlite" for size in SIZES]
        urls = {("ours_sqlite", s): url for s, url in zip(SIZES, files, strict=True)}
        urls |= {("ours_postgresql", s): url for s, url in zip(SIZES, schemas, strict=True)}
        stores = {case: filled(url, case[1]) for case, url in urls.items()}
        timings = measured(stores, mlflow_store(Path(folder), MLFLOW_SIZE))
        audits = verified(stores)
        with stores["ours_postgresql", SIZES[0]].database.reading() as connection:
            postgresql = str(connection.scalar(sa.text("show server_version")))
    document = {
        "machine": {**machine(), "load_before": os.getloadavg()[2]},
        "versions": {
            "python": platform.python_version(),
            "postgresql": postgresql,
            **{name: version(name) for name in ("sqlalchemy", "psycopg", "mlflow")},
        },
        "operations": timings.table(),
        "audit_verify": audits,
        "ratios": ratios(timings),
    }
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    sys.stdout.write(printed(document))


def printed(document: dict[str, Any]) -> str:
    """The tables as text."""
    lines = [f"{'engine':<18}{'operation':<12}{'versions':>10}{'p50 ms':>10}{'p95 ms':>10}"]
    lines += [
        f"{row['engine']:<18}{row['operation']:<12}{row['versions']:>10,}"
        f"{row['p50_ms']:>10.3f}{row['p95_ms']:>10.3f}"
        for row in document["operations"]
    ]
    lines += ["", *(f"{name:<28}{ratio:>8.2f}" for name, ratio in document["ratios"].items())]
    for engine, found in document["audit_verify"].items():
        lines.append(
            f"{engine}: {found['entries']:,} entries verified in {found['seconds']} s, "
            f"{found['processor_seconds']} s of them of this process"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
