"""Many processes promoting and rolling back at once, and what history says of it afterwards.

python -m tests.resources.registry_storm --seconds 60 --processes 32
"""

import argparse
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from threading import Barrier
from uuid import uuid4

import sqlalchemy as sa

from resources.registry.errors import EvaluationStale, TransitionRefused
from resources.registry.records import Action, Stage
from resources.registry.registry import Registry, registry
from tests.resources.registry_cases import MODEL, promote, register
from tests.services import postgres_server


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the log of a storm says.

    Attributes:
        entries: How many entries verified.
        seconds: How long verifying them took.
        actions: How often each action is in the log.
        reigns: How many champions there were, one after another.
    """

    entries: int
    seconds: float
    actions: Counter[str]
    reigns: int


@contextmanager
def postgres_schema() -> Iterator[str]:
    """The URL of an empty schema of its own, dropped afterwards."""
    server, schema = postgres_server(), f"mlplat_storm_{uuid4().hex}"
    engine = sa.create_engine(server, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema(schema))
    try:
        url = server.update_query_dict({"options": f"-csearch_path={schema}"})
        yield url.render_as_string(hide_password=False)
    finally:
        with engine.begin() as connection:
            connection.execute(sa.schema.DropSchema(schema, cascade=True))


def storm(url: str, processes: int, seconds: float) -> Counter[str]:
    """Let processes decide at random for so long; counts what became of their attempts.

    The last one only watches: what it sees in one snapshot is never other than one champion.
    """
    store = registry(url)
    store.migrate()
    promote(store, register(store, "first").number)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    size = processes + 1
    with context.Manager() as manager, ProcessPoolExecutor(size, mp_context=context) as pool:
        start = manager.Barrier(size)
        watching = pool.submit(watch, url, seconds, start)
        deciding = [pool.submit(decide, url, worker, seconds, start) for worker in range(processes)]
        return sum((each.result() for each in (watching, *deciding)), Counter[str]())


def decide(url: str, worker: int, seconds: float, start: Barrier) -> Counter[str]:
    """Promote a new candidate or roll back, at random, until the end."""
    store, chance, done = registry(url), random.Random(worker), Counter[str]()
    start.wait(timeout=120)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done[attempt(store, chance, f"{worker}-{done.total()}")] += 1
    return done


def attempt(store: Registry, chance: random.Random, name: str) -> str:
    """One decision, and what became of it."""
    try:
        if chance.random() < 0.4:
            store.rollback(MODEL, actor=name, reason="worse at night")
            return "rolled back"
        champion = store.champion(MODEL)
        version = register(store, name, champion.number if champion else None)
        promote(store, version.number)
    except EvaluationStale:
        return "stale"
    except TransitionRefused:
        return "nothing to roll back to"
    return "promoted"


def watch(url: str, seconds: float, start: Barrier) -> Counter[str]:
    """Look again and again how many champions there are.

    Raises:
        AssertionError: Other than one.
    """
    store, looks = registry(url), Counter[str]()
    start.wait(timeout=120)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with store.database.reading() as connection:
            now = connection.scalar(
                sa.text("select count(*) from versions where stage = 'production'")
            )
        assert now == 1, f"{now} champions"
        looks["looked"] += 1
    return looks


def judge(url: str) -> Verdict:
    """Replay the log: one champion after every transaction, and none of them overlap.

    Raises:
        AssertionError: At some instant there was another number of champions than one.
        AuditBroken: The log is not whole, or disagrees with the versions.
    """
    store = registry(url)
    before = time.perf_counter()
    entries = store.verify_audit()
    seconds = time.perf_counter() - before
    reigning: list[int | None] = []
    log = store.audit(MODEL)
    for entry in log:
        if entry.from_stage is Stage.PRODUCTION:
            assert reigning == [entry.version], f"{reigning} yield in entry {entry.id}"
            reigning.clear()
        if entry.to_stage is Stage.PRODUCTION:
            assert reigning == [], f"{reigning} besides {entry.version} in entry {entry.id}"
            reigning.append(entry.version)
    champion = store.champion(MODEL)
    assert champion is not None and reigning == [champion.number]
    return Verdict(
        entries=entries,
        seconds=seconds,
        actions=Counter(entry.action.value for entry in log),
        reigns=unbroken_reigns(store),
    )


def unbroken_reigns(store: Registry) -> int:
    """How many reigns the auditors' view tells of, each beginning as the one before ends.

    Raises:
        AssertionError: There is a gap, an overlap, or another number than of coronations.
    """
    with store.database.reading() as connection:
        found = connection.execute(
            sa.text("select since, until from champion_history order by audit_entry")
        ).all()
    for (_, until), (since, _) in pairwise(found):
        assert until == since
    assert found[-1].until is None
    return len(found)


def main() -> None:
    """Run a storm on PostgreSQL and print what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=32)
    asked = parser.parse_args()
    with postgres_schema() as url:
        done = storm(url, asked.processes, asked.seconds)
        found = judge(url)
    moves = found.actions[Action.PROMOTED] + found.actions[Action.ROLLED_BACK]
    lines = [
        f"{asked.processes} processes, {asked.seconds:.0f} s on PostgreSQL",
        *(f"  {count:>7,} {what}" for what, count in sorted(done.items())),
        f"{moves:,} moves, {moves / asked.seconds:.0f} a second; {found.reigns:,} reigns, one "
        "after another without gap or overlap",
        f"{found.entries:,} audit entries verified in {found.seconds:.1f} s: "
        + ", ".join(f"{count:,} {what}" for what, count in sorted(found.actions.items())),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
