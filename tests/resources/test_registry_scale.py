"""With many versions each question reads a few rows, by the databases' own account."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from resources.digests import digest
from resources.registry import transitions
from resources.registry.errors import TransitionRefused, UnknownVersion
from resources.registry.identity import Identity
from resources.registry.records import Stage, Version
from resources.registry.registry import Registry
from tests.resources.conftest import Clock
from tests.resources.registry_cases import MODEL, artifact, crown, evidence_of, promote, register

COUNT = 3_000
# A page of 20 versions joined with their evidence, and room for what opens a statement.
FEW = 60
# Instructions of SQLite's machine to take a row into account and pass over it: at least 5.
SQLITE_STEPS_OF_A_ROW = 40


@pytest.fixture
def full(store: Registry) -> Registry:
    """A model of so many versions that no planner would rather read them all."""
    first = crown(store, "a")
    fill(store, first, COUNT)
    if store.database.url.get_backend_name() == "postgresql":
        with store.database.writing() as connection:
            connection.execute(sa.text("analyze"))
    return store


def fill(store: Registry, like: Version, count: int) -> None:
    """Versions like one, added as the registry adds one."""
    made = []
    for number in range(2, count + 1):
        evidence = evidence_of(artifact(number), 1)
        passed = {"evidence": evidence, "evidence_digest": digest(evidence)}
        staged = {"stage": Stage.STAGING, "artifact_digest": artifact(number)}
        made.append(replace(like, number=number, **staged, **passed))
    with store.database.writing() as connection:
        transitions.add(connection, made, Identity(name="ana", role=None), like.created_at)


@contextmanager
def statements(store: Registry) -> Iterator[list[tuple[str, Any]]]:
    """Every query of the block, with its parameters."""
    found: list[tuple[str, Any]] = []
    sqlite = store.database.url.get_backend_name() == "sqlite"
    # The one of the two that the other was derived from.
    engine = store.database._reader if sqlite else store.database._writer

    def note(_c: object, _u: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.lower().startswith("select") and "from" in statement.lower():
            found.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def rows_read(store: Registry, statement: str, parameters: Any) -> float:
    """About how many rows the database goes through to answer, by its own account."""
    with store.database.reading() as connection:
        if store.database.url.get_backend_name() == "postgresql":
            explained = f"explain (analyze, format json) {statement}"
            (plan,) = connection.exec_driver_sql(explained, parameters).scalar_one()
            return max(map(_rows, _nodes(plan["Plan"])))
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(count, 10)
        connection.exec_driver_sql(statement, parameters).all()
        driver.set_progress_handler(None, 0)
    return steps * 10 / SQLITE_STEPS_OF_A_ROW


def _rows(node: dict[str, Any]) -> float:
    passed_over = node.get("Rows Removed by Filter", 0)
    return (node["Actual Rows"] + passed_over) * node["Actual Loops"]


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from _nodes(inner)


QUESTIONS: list[Callable[[Registry, datetime], object]] = [
    lambda store, now: store.version(MODEL, 1_500),
    lambda store, now: store.champion(MODEL),
    lambda store, now: store.champion_at(MODEL, now),
    lambda store, now: store.decision(MODEL),
    lambda store, now: store.stage_at(MODEL, 1_500, now),
    lambda store, now: store.approver_of(MODEL, 1, now),
    lambda store, now: store.approvals_of(MODEL, 1, now),
    lambda store, now: store.versions(MODEL, limit=20),
    lambda store, now: store.count(MODEL),
    lambda store, now: store.audit(MODEL, newest=10),
    lambda store, now: store.audit(MODEL, version=1_500),
    lambda store, now: register(store, "b", 1),
    lambda store, now: promote(store, 1_500),
    lambda store, now: store.rollback(MODEL, actor="dan", reason="x"),
    lambda store, now: store.record_refusal(
        MODEL,
        artifact_digest=artifact(1_501),
        evidence_digest="sha256:1",
        reasons=["x"],
        actor="dan",
        run_id="r",
    ),
]


def test_no_question_reads_more_than_a_few_rows(full: Registry, clock: Clock) -> None:
    for ask in QUESTIONS:
        with statements(full) as asked:
            ask(full, clock.now)
        assert asked
        assert {query[0]: n for query in asked if (n := rows_read(full, *query)) > FEW} == {}


def test_versions_are_listed_by_the_page_and_an_unknown_one_in_one_line(full: Registry) -> None:
    assert [v.number for v in full.versions(MODEL, limit=2)] == [COUNT - 1, COUNT]
    assert [v.number for v in full.versions(MODEL, limit=2, before=4)] == [2, 3]
    assert [v.number for v in full.versions(MODEL, limit=5, before=3)] == [1, 2]
    assert full.versions("flights.nothing", limit=5) == []
    assert [e.id for e in full.audit(MODEL, newest=2)] == [COUNT + 1, COUNT + 2]
    with pytest.raises(UnknownVersion, match=f"no version 9999; it has 1 to {COUNT}$"):
        full.version(MODEL, 9999)


def test_a_rollback_reads_the_champions_and_not_the_candidates(full: Registry) -> None:
    with statements(full) as asked, pytest.raises(TransitionRefused, match="no champion before"):
        full.rollback(MODEL, actor="dan", reason="x")
    (crowned,) = [q for q in asked if "to_stage = 'production'" in q[0]]
    with full.database.reading() as connection:
        assert len(connection.exec_driver_sql(*crowned).all()) == 1
    assert rows_read(full, *crowned) <= FEW
