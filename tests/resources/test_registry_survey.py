"""All models at a glance, on both databases."""

import pytest

from resources.registry.records import Stage
from resources.registry.registry import Registry
from tests.resources.conftest import Clock
from tests.resources.registry_cases import MODEL, crown, register


def test_an_empty_registry_has_nothing_to_survey(store: Registry, clock: Clock) -> None:
    assert store.survey() == []
    assert store.waiting(clock()) == []


def test_a_survey_tells_stages_champion_since_and_traffic(store: Registry, clock: Clock) -> None:
    crown(store, "first")
    clock.forward(days=1)
    crown(store, "second")
    crowned = clock()
    clock.forward(days=1)
    register(store, "third", 2)
    register(store, "fourth", 2)
    store.set_share(MODEL, 3, 5, actor="dan", reason="a try")
    found = store.survey()[0]
    assert (found.model, found.champion, found.since) == (MODEL, 2, crowned)
    assert found.stages == {
        Stage.ARCHIVED: 1,
        Stage.PRODUCTION: 1,
        Stage.CANARY: 1,
        Stage.STAGING: 1,
    }
    assert found.traffic is not None
    assert [(arm.version, arm.share) for arm in found.traffic.arms] == [(3, 5.0)]
    assert found.broken is None


def test_the_newest_traffic_table_counts_and_a_broken_one_is_told(store: Registry) -> None:
    crown(store, "first")
    register(store, "second", 1)
    for share in (5, 25):
        store.set_share(MODEL, 2, share, actor="dan", reason="a try")
    found = store.survey()[0]
    assert found.traffic is not None
    assert found.traffic.arms[0].share == 25
    with store.database.writing() as connection:
        connection.exec_driver_sql("update traffic set document = '{}' where revision = 2")
    broken = store.survey()[0]
    assert broken.traffic is None
    assert "no traffic table" in (broken.broken or "")


def test_a_rollback_is_since_when_the_champion_serves(store: Registry, clock: Clock) -> None:
    crown(store, "first", "second")
    rolled = clock.forward(hours=3)
    store.rollback(MODEL, actor="dan", reason="worse")
    found = store.survey()[0]
    assert (found.champion, found.since) == (1, rolled)


@pytest.mark.parametrize("before", [None, 3])
def test_the_log_is_read_from_its_end_or_from_an_entry_on(
    store: Registry, before: int | None
) -> None:
    crown(store, "first", "second")
    everything = [entry.id for entry in store.audit(MODEL)]
    asked = [entry.id for entry in store.audit(MODEL, newest=2, before=before)]
    assert asked == (everything if before is None else [1, 2])[-2:]
