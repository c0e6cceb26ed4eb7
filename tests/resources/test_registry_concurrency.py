"""Many processes decide at once; the registry keeps one order."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from threading import Barrier

import pytest

from resources.registry.errors import EvaluationStale
from resources.registry.records import Action, Stage
from resources.registry.registry import Registry, registry
from tests.resources.registry_cases import MODEL, promote, register
from tests.resources.registry_storm import judge, storm

PROCESSES = 8


Race = Callable[[Callable[[str, int], int], str], list[int]]


def together(start: Barrier, work: Callable[[str, int], int], url: str, worker: int) -> int:
    start.wait(timeout=60)
    return work(url, worker)


@pytest.fixture(scope="module")
def race() -> Iterator[Race]:
    """Runs work in eight processes that start it at the same moment."""
    # A fork server that has imported this module starts eight workers in the time of one.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with context.Manager() as manager, ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:

        def run(work: Callable[[str, int], int], url: str) -> list[int]:
            start = partial(together, manager.Barrier(PROCESSES), work, url)
            return list(pool.map(start, range(PROCESSES)))

        yield run


def migrate_and_register(url: str, worker: int) -> int:
    store = registry(url)
    store.migrate()
    return register(store, worker).number


def promote_own(url: str, worker: int) -> int:
    try:
        return promote(registry(url), worker + 1).number
    except EvaluationStale:
        return 0


def promote_until_champion(url: str, worker: int) -> int:
    """Evaluate against the champion and promote, again whenever another was faster."""
    store, stale = registry(url), 0
    while True:
        champion = store.champion(MODEL)
        number = register(store, worker, champion.number if champion else None).number
        try:
            promote(store, number)
        except EvaluationStale:
            stale += 1
        else:
            return stale


def champions(store: Registry) -> list[int]:
    return [version.number for version in store.versions(MODEL) if version.stage == "production"]


def test_one_of_eight_promoters_wins_and_the_others_are_stale(
    registry_url: str, race: Race
) -> None:
    assert sorted(race(migrate_and_register, registry_url)) == list(range(1, PROCESSES + 1))
    winners = [number for number in race(promote_own, registry_url) if number]
    store = registry(registry_url)
    assert len(winners) == 1 and champions(store) == winners
    # The winner's approval and promotion, and that the others were refused.
    assert store.verify_audit() == PROCESSES + 2 + (PROCESSES - 1)


def test_eight_promoters_who_try_again_all_reign_in_turn(registry_url: str, race: Race) -> None:
    store = registry(registry_url)
    store.migrate()
    race(promote_until_champion, registry_url)
    store.verify_audit()
    reigning: list[int | None] = []
    for entry in store.audit(MODEL):
        if entry.action is Action.ARCHIVED:
            assert reigning.pop() == entry.version
        if entry.to_stage is Stage.PRODUCTION:
            assert reigning == []
            reigning.append(entry.version)
    assert champions(store) == reigning
    promoted = [e.version for e in store.audit(MODEL) if e.action is Action.PROMOTED]
    assert sorted(filter(None, promoted)) == list(range(1, PROCESSES + 1))


def test_a_storm_of_promotions_and_rollbacks_leaves_one_champion_at_every_instant(
    registry_url: str,
) -> None:
    done = storm(registry_url, PROCESSES, seconds=3)
    assert done["promoted"] and done["rolled back"] and done["looked"]
    found = judge(registry_url)
    assert found.reigns == 1 + done["promoted"] + done["rolled back"]
    assert found.actions["denied"] == done["stale"], "each refusal is on record"
