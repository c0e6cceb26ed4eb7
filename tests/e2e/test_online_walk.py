"""Deletes, backfills, late rows, a kill and a flush: after each, online equals the lake."""

import pytest
from rich.console import Console

from tests.e2e.online_walk import Step, Walk, printed, walked


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    walk = walked(tmp_path_factory.mktemp("walk"))
    printed(walk.steps, Console(width=150))
    return walk


def steps(walk: Walk, what: str) -> list[Step]:
    found = [step for step in walk.steps if what in step.what]
    assert [step.store for step in found] == ["redis", "sqlite"], what
    return found


def test_online_equals_the_lake_after_every_sync(walk: Walk) -> None:
    synced = [step for step in walk.steps if "killed" not in step.what]
    assert len(synced) == 12
    assert [(s.what, s.store, s.after) for s in synced if s.after] == []
    assert all(step.entities > 2000 for step in synced)
    not_behind = [s.what for s in walk.steps if not s.before and "backfill" not in s.what]
    assert not_behind == [], "each step had something to bring"


def test_a_deleted_entity_leaves_the_store(walk: Walk) -> None:
    for step in steps(walk, "delete"):
        assert step.done.keys_removed == 2, "in each of the two views of aircraft"


def test_an_old_backfill_overwrites_nothing(walk: Walk) -> None:
    for step in steps(walk, "backfill"):
        assert (len(step.done.days), step.done.keys_changed) == (1, 3)
        assert (step.done.keys_written, step.done.keys_removed) == (0, 0)


def test_late_rows_write_a_part_of_the_keys(walk: Walk) -> None:
    for step in steps(walk, "late rows"):
        assert 0 < step.done.keys_changed < step.entities / 2


def test_a_killed_sync_leaves_the_store_between_and_the_next_goes_on(walk: Walk) -> None:
    for killed in steps(walk, "killed"):
        assert 0 < killed.after < killed.before
