"""What a shadow that sleeps or raises does to the live answers."""

import json
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from bench.serving_contenders import SERVER_CORE, Running, ours, started
from bench.serving_load import Point, wrk
from bench.serving_world import (
    MODEL,
    fill_store,
    opened_registry,
    promoted,
    registered,
    write_bodies,
)
from resources.registry.registry import Registry

ROUNDS = 9
SECONDS = 2
CONNECTIONS = 32
SEEN_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Live answers beside one shadow, medians of rounds, times in ms.

    Attributes:
        p99_change_percent: The median over rounds of this p99 against that of the same round
            without a shadow.
        failed: Answers other than 200, all rounds together.
        rows: What became of the live rows, by the service's counters: answered, failed, dropped.
    """

    shadow: str
    requests_per_s: float
    p50: float
    p99: float
    p99_change_percent: float
    failed: int
    rows: dict[str, int]


def measured_shadows(folder: Path) -> list[Effect]:
    """Live answers without a shadow, with one that sleeps and with one that raises, in turns."""
    home = folder / "home"
    home.mkdir(parents=True)
    bodies = write_bodies(folder, 1000)["full"]
    url = f"sqlite:///{home / 'registry.sqlite'}"
    versions = opened_registry(url)
    promoted(versions, registered(versions, home, 1).number)
    fill_store(f"sqlite:///{home / 'online.sqlite'}")
    shadows = {
        "none": None,
        "sleeps": registered(versions, home, 2, behaviour="sleeps").number,
        "raises": registered(versions, home, 3, behaviour="raises").number,
    }
    service = ours("ours", home, target="bench.faults.misbehaving:ModelServer")
    body = bodies.open().readline().strip()
    found: dict[str, list[Point]] = defaultdict(list)
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    with started(service, folder / "service.log", body, SERVER_CORE) as running:
        wrk(running, bodies, CONNECTIONS, SECONDS)
        for _ in range(ROUNDS):
            for name, version in shadows.items():
                switch(versions, running, [n for n in shadows.values() if n], version)
                before = counted(running)
                found[name].append(wrk(running, bodies, CONNECTIONS, SECONDS))
                rows[name] += counted(running) - before
    return [effect(name, found, dict(rows[name])) for name in shadows]


def effect(name: str, found: dict[str, list[Point]], rows: dict[str, int]) -> Effect:
    """One shadow's medians."""
    points = found[name]
    pairs = zip(points, found["none"], strict=True)
    changes = [100 * (point.p99 / alone.p99 - 1) for point, alone in pairs]
    return Effect(
        shadow=name,
        requests_per_s=statistics.median(point.requests_per_s for point in points),
        p50=statistics.median(point.p50 for point in points),
        p99=statistics.median(point.p99 for point in points),
        p99_change_percent=statistics.median(changes),
        failed=sum(point.non_2xx + point.broken for point in points),
        rows=rows,
    )


def counted(running: Running) -> Counter[str]:
    """The service's counters of shadows."""
    with urlopen(f"http://127.0.0.1:{running.port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    found: Counter[str] = Counter()
    for line in lines:
        if line.startswith("mlplat_shadow_") and "_total{" in line:
            name = line.partition("_total")[0].removeprefix("mlplat_shadow_")
            found[name] = int(float(line.rpartition(" ")[2]))
    return found


def switch(versions: Registry, running: Running, every: list[int], on: int | None) -> None:
    """Shadow with one version or none, and wait until the service does."""
    for version in every:
        versions.set_shadow(MODEL, version, version == on, reason="bench", actor="cli")
    revision = versions.traffic(MODEL).revision
    deadline = time.monotonic() + SEEN_SECONDS
    while routing_of(running).get("revision") != revision:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the service does not see traffic table {revision}")
        time.sleep(0.05)


def routing_of(running: Running) -> dict[str, Any]:
    """What the service says about its routing."""
    with urlopen(f"http://127.0.0.1:{running.port}/v1/model") as answer:
        return json.load(answer)["routing"]
