"""A version that a guardrail took back is told once, until the model has another champion."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mlplat_assets.alerts.assets import alerts
from mlplat_assets.keys import key
from resources.alerts.records import Said, Severity
from resources.registry.rollout_record import RolloutRecord, RolloutState
from tests.alerts.worlds import Book, watch
from tests.alerts.worlds import declared as only
from tests.resources.registry_cases import MODEL, crown, promote, register
from tests.rollouts.place import Place, declared

BY: dict[str, Any] = {"actor": "controller", "reason": "errors: 0.032, surely beyond 0.001"}
BROKEN = {"units": 500, "findings": [{"name": "errors", "verdict": "VIOLATED"}]}
HELD = {"units": 500, "findings": [{"name": "errors", "verdict": "OK"}]}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Version 1 in production, 2 in staging."""
    made = Place(tmp_path)
    crown(made.registry, "a")
    register(made.registry, "b", 1)
    yield made
    made.lake.close()


@pytest.fixture
def book(place: Place) -> Iterator[Book]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Book(place.registry, watch(instance, place.lake, only(MODEL)))


def taken_back(place: Place, version: int, steps: int = 1, **evidence: Any) -> RolloutRecord:
    """A rollout that went so many steps and back."""
    desk = place.registry.rollouts
    record = desk.begin(MODEL, version, (10, 30), **BY)
    for _ in range(steps):
        record = desk.advance(record, **BY)
    found = evidence or BROKEN
    return desk.end(record, RolloutState.ROLLED_BACK, evidence=found, **BY)


def test_a_rollback_by_the_controller_is_p1_at_the_next_look(place: Place, book: Book) -> None:
    place.look()
    place.step(300)
    assert book.look() == []
    # Of 400 the table's random salt gives the version 25 at times, too few to tell.
    place.step(700, hours=0.1, failing=0.7)
    assert place.record.state is RolloutState.ROLLED_BACK
    assert book.look() == [Said.OPENED]
    assert book.open() == [(Severity.P1, "rolled_back", MODEL, "rollout 1")]
    (alert,) = place.registry.alerts.open(MODEL)
    assert alert.detail.startswith("version 2 went back at 10%: errors: ")
    assert "surely beyond 0.001" in alert.detail
    assert book.look() == []


def test_it_ends_with_the_next_champion_and_not_with_an_attempt(place: Place, book: Book) -> None:
    taken_back(place, 2)
    assert book.look() == [Said.OPENED]
    register(place.registry, "c", 1)
    desk = place.registry.rollouts
    record = desk.begin(MODEL, 3, (10,), **BY)
    assert book.look() == []
    place.registry.approve(MODEL, 3, approver="bob", reason="good")
    while record.is_open:
        record = desk.advance(record, **BY)
    assert book.look() == [Said.RESOLVED]
    assert book.look() == []


def test_a_champion_by_hand_ends_it_too(place: Place, book: Book) -> None:
    taken_back(place, 2)
    book.look()
    register(place.registry, "c", 1)
    promote(place.registry, 3)
    assert book.look() == [Said.RESOLVED]


def test_the_next_one_that_goes_back_is_told_anew(place: Place, book: Book) -> None:
    taken_back(place, 2)
    book.look()
    register(place.registry, "c", 1)
    taken_back(place, 3)
    assert sorted(book.look()) == [Said.OPENED, Said.RESOLVED]
    assert [subject for *_, subject in book.open()] == ["rollout 2"]
    taken_back(place, 2)
    assert sorted(book.look()) == [Said.OPENED, Said.RESOLVED]


def test_one_that_was_complete_is_told_with_all_its_units(place: Place, book: Book) -> None:
    place.registry.approve(MODEL, 2, approver="bob", reason="good")
    taken_back(place, 2, steps=3)
    assert book.look() == [Said.OPENED]
    (alert,) = place.registry.alerts.open(MODEL)
    assert alert.detail.startswith("version 2 went back from all units: ")


def test_a_shadow_that_goes_back_is_p2(place: Place, book: Book) -> None:
    taken_back(place, 2, steps=0)
    assert book.look() == [Said.OPENED]
    assert book.open() == [(Severity.P2, "rolled_back", MODEL, "rollout 1")]
    (alert,) = place.registry.alerts.open(MODEL)
    assert alert.detail.startswith("version 2 went back as a shadow: ")


def test_no_alert_where_no_guardrail_was_broken(place: Place, book: Book) -> None:
    taken_back(place, 2, **HELD)
    record = place.registry.rollouts.begin(MODEL, 2, (10,), **BY)
    place.registry.rollouts.end(record, RolloutState.ABORTED, **BY)
    assert book.look() == [] and book.open() == []


def test_the_gates_of_a_later_one_leave_an_open_alert_open(place: Place, book: Book) -> None:
    taken_back(place, 2)
    book.look()
    register(place.registry, "c", 1)
    taken_back(place, 3, **HELD)
    assert book.look() == [] and len(book.open()) == 1


def test_the_alerts_of_a_model_with_a_rollout_come_from_it() -> None:
    model, found = declared()
    rollouts = key("rollouts", *MODEL.split("."))
    assert rollouts in {dep.asset_key for dep in alerts(model, found).deps}
    plain = only(MODEL)
    assert rollouts not in {dep.asset_key for dep in alerts(plain.models[MODEL], plain).deps}
