"""Everything that happens to a model server, under load: promotions, kills, a full disk.

    python -m bench.serving_faults [--postgres URL]

Two workers, a registry in a PostgreSQL database of its own, the journal on a small file system of
its own (mounting it needs root). A client that checks every answer keeps asking; afterwards the
ids of all acknowledged predictions are looked up in the journal and every unit's bucket is
computed again. Writes bench/results/serving_faults.json and prints a table. Takes two minutes.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench.faults.audit import Audit, audited
from bench.faults.client import Client
from bench.faults.places import Database, Disk
from bench.faults.report import report
from bench.faults.shadows import Effect, measured_shadows
from bench.faults.storm import Outcome, Phase, Storm
from bench.serving_contenders import Contender, curl_status, ours, started
from bench.serving_world import (
    MODEL,
    fill_store,
    opened_registry,
    promoted,
    registered,
    write_bodies,
)
from resources.registry.registry import Registry

WORKERS = 2
CONNECTIONS = 16
UNITS = 20_000
# Load after each change, and how long a change may take to be seen.
SETTLE_SECONDS = 3.0
SEEN_SECONDS = 30.0
_BY = {"actor": "cli", "reason": "bench"}


def traffic_phases(storm: Storm, versions: Registry, home: Path) -> None:
    """Promotion, a canary that grows, a rollback."""
    first = versions.champion(MODEL)
    assert first
    made = registered(versions, home, 2)
    with storm.phase(f"promote version {made.number}", SETTLE_SECONDS) as phase:
        promoted(versions, made.number)
        phase.moment, phase.version = time.time(), first.number
    canary = registered(versions, home, 3)
    for percent in (1, 5, 10, 25):
        with storm.phase(f"canary at {percent}%", SETTLE_SECONDS) as phase:
            table = versions.set_share(MODEL, canary.number, percent, **_BY)
            phase.moment, phase.revision = time.time(), table.revision
    with storm.phase("rollback", SETTLE_SECONDS) as phase:
        versions.rollback(MODEL, actor="cli", reason="bench")
        phase.moment, phase.version = time.time(), made.number


def worker_phases(storm: Storm) -> None:
    """One worker terminated, one killed; each is followed by another."""
    for name, number in (("SIGTERM", signal.SIGTERM), ("SIGKILL", signal.SIGKILL)):
        with storm.phase(f"{name} to a worker", SETTLE_SECONDS) as phase:
            one_worker_ends(storm, phase, number)


def one_worker_ends(storm: Storm, phase: Phase, number: int) -> None:
    """End a worker and wait for the one that takes its place."""
    victim = storm.workers()[0]
    started_at = time.time()
    victim.send_signal(number)
    victim.wait(SEEN_SECONDS)
    storm.wait_for_workers(WORKERS)
    phase.effect = time.time() - started_at
    phase.note = "effect: until another worker answers"


def registry_phases(storm: Storm, versions: Registry, database: Database) -> None:
    """The registry gone, a worker started without it, the registry back and heard again."""
    with storm.phase("registry away", SETTLE_SECONDS):
        database.close()
    with storm.phase("registry away, SIGTERM to a worker", SETTLE_SECONDS) as phase:
        one_worker_ends(storm, phase, signal.SIGTERM)
    with storm.phase("registry back, canary at 5%", 3 * SETTLE_SECONDS) as phase:
        database.open()
        canary = versions.traffic(MODEL).traffic.arms[0].version
        table = versions.set_share(MODEL, canary, 5, **_BY)
        phase.moment, phase.revision = time.time(), table.revision


def disk_phases(storm: Storm, disk: Disk, body: str) -> None:
    """The journal's disk filled, and freed."""
    ready = storm.service.url.replace("/v1/predict", "/readyz")
    with storm.phase("journal's disk full", SETTLE_SECONDS) as phase:
        disk.fill()
        phase.moment = time.time()
        seen_until(lambda: curl_status(ready) != "200")
        phase.effect = time.time() - phase.moment
        phase.note = "effect: until /readyz says 503"
    with storm.phase("disk freed", SETTLE_SECONDS) as phase:
        disk.free()
        phase.moment = time.time()
        seen_until(lambda: curl_status(ready) == "200")
        seen_until(lambda: curl_status(storm.service.url, body) == "200")
        phase.effect = time.time() - phase.moment
        phase.note = "effect: until ready and answering"


def seen_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: It does not within SEEN_SECONDS.
    """
    deadline = time.monotonic() + SEEN_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not seen within {SEEN_SECONDS:g} s")
        time.sleep(0.02)


def service_ends(storm: Storm) -> None:
    """SIGTERM to the whole service."""
    with storm.phase("SIGTERM to the service", 0.5) as phase:
        phase.moment = time.time()
        storm.service.process.terminate()
        storm.service.process.wait(SEEN_SECONDS)
        phase.effect = time.time() - phase.moment
        phase.note = "effect: until it has ended"


def stormed(folder: Path, server: str) -> tuple[list[Outcome], Audit, int]:
    """All phases in turn, the audit, and how often nobody listened before the end."""
    home, bodies = folder / "home", write_bodies(folder, UNITS)["full"]
    with ExitStack() as stack:
        database = stack.enter_context(Database.created(server))
        disk = stack.enter_context(Disk.mounted(folder / "disk"))
        versions = opened_registry(database.url)
        promoted(versions, registered(versions, home, 1).number)
        fill_store(f"sqlite:///{home / 'online.sqlite'}")
        service = faulty_service(home, database.url, disk.folder)
        body = bodies.open().readline().strip()
        running = stack.enter_context(started(service, folder / "service.log", body, None))
        client = Client(running.port, bodies, CONNECTIONS)
        storm = Storm(running, client, disk.folder / MODEL)
        with client.asking():
            storm.wait_for_workers(WORKERS)
            with storm.phase("nothing", SETTLE_SECONDS):
                pass
            happen(storm, versions, home, database, disk, body)
            refused = client.refused
            service_ends(storm)
        rows = storm.rows()
        return storm.outcomes(rows), audited(versions, rows), refused


def happen(
    storm: Storm, versions: Registry, home: Path, database: Database, disk: Disk, body: str
) -> None:
    """Every phase but the last, with what went wrong in one said in its note."""
    steps: list[Callable[[], None]] = [
        lambda: traffic_phases(storm, versions, home),
        lambda: worker_phases(storm),
        lambda: registry_phases(storm, versions, database),
        lambda: disk_phases(storm, disk, body),
    ]
    for step in steps:
        try:
            step()
        except TimeoutError as error:
            storm.phases[-1].ended = time.time()
            storm.phases[-1].note = f"NOT SEEN: {error}"


def faulty_service(home: Path, registry_url: str, journal: Path) -> Contender:
    """Ours with WORKERS workers and its journal on the disk that fills."""
    return ours(
        "ours",
        home,
        MLPLAT_REGISTRY_URL=registry_url,
        MLPLAT_JOURNAL=str(journal),
        BENTOML_CONFIG_OPTIONS=f"services.ModelServer.workers={WORKERS}",
    )


def main() -> None:
    """Run both parts, write the results, print them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--postgres", default="postgresql+psycopg://postgres@127.0.0.1/postgres")
    parser.add_argument("--part", choices=("storm", "shadows"), help="only one; nothing is written")
    options = parser.parse_args()
    outcomes: list[Outcome] = []
    audit: Audit | None = None
    effects: list[Effect] = []
    with tempfile.TemporaryDirectory() as name:
        if options.part != "shadows":
            outcomes, audit, refused = stormed(Path(name), options.postgres)
            sys.stderr.write(f"connections refused before the end: {refused}\n")
        if options.part != "storm":
            effects = measured_shadows(Path(name) / "shadows")
    report(outcomes, audit, effects, partial=options.part is not None)


if __name__ == "__main__":
    main()
