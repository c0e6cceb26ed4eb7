"""The regulator's question, three months later: which version, on which data, approved by whom."""

import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from resources.registry.identity import Role
from resources.registry.records import ApprovalTerms
from resources.registry.registry import Registry, registry
from resources.settings import REPOSITORY
from tests.resources.conftest import Clock
from tests.resources.registry_cases import MODEL, register

LINEAGE = {"training_set_digest": "sha256:ab", "lake_snapshot": 7, "code_commit": "abc"}


def documented(name: str) -> str:
    """A statement of docs/governance.md, by its mark."""
    page = (REPOSITORY / "docs" / "governance.md").read_text()
    (found,) = re.findall(rf"<!-- sql: {name} -->\n```sql\n(.*?)```", page, re.DOTALL)
    return found


def answer(store: Registry, statement: str) -> list[dict[str, Any]]:
    with store.database.reading() as connection:
        return [{**row} for row in connection.exec_driver_sql(statement).mappings()]


@pytest.fixture
def later(store: Registry, registry_url: str, clock: Clock) -> Registry:
    """Three months and two champions after version 1 was approved by two people."""
    texts = {"ada": store.tokens.create("ada", Role.ADMIN, actor="root").text}
    ada = registry(registry_url, clock, texts["ada"])
    as_of = {"ada": ada}
    for name in ("bob", "eve"):
        text = ada.tokens.create(name, Role.APPROVER).text
        as_of[name] = registry(registry_url, clock, text)
    terms = {"lineage": LINEAGE, "approval": ApprovalTerms(required=2)}
    register(ada, "a", author="ana", **terms)
    clock.forward(hours=1)
    as_of["bob"].approve(MODEL, 1, reason="June looks right")
    clock.forward(hours=1)
    as_of["eve"].approve(MODEL, 1, reason="fair to small airports")
    as_of["bob"].promote(MODEL, 1, reason="first")
    clock.forward(days=30)
    register(ada, "b", 1, lineage=LINEAGE | {"lake_snapshot": 9})
    as_of["eve"].promote(MODEL, 2, approver="eve", reason="July")
    clock.forward(days=62)
    as_of["bob"].rollback(MODEL, reason="August")
    ada.tokens.revoke("bob")
    return store


def test_one_statement_tells_the_version_its_data_and_who_approved_it(
    later: Registry, clock: Clock
) -> None:
    (row,) = answer(later, documented("champion"))
    assert (row["version"], row["how"], row["promoted_by"]) == (1, "promoted", "bob")
    assert (row["approvers"], row["reason"], row["author"]) == ("bob, eve", "first", "ana")
    assert (row["training_set_digest"], int(row["lake_snapshot"])) == ("sha256:ab", 7)
    assert row["evidence_digest"] == later.version(MODEL, 1).evidence_digest
    assert str(row["since"]).startswith("2013-06-01") and row["until"] is not None
    approvals = answer(later, documented("approvals"))
    assert [(a["approver"], a["role"], a["reason"]) for a in approvals] == [
        ("bob", "approver", "June looks right"),
        ("eve", "approver", "fair to small airports"),
    ]


def test_the_view_and_the_library_give_one_answer_at_every_moment(
    later: Registry, clock: Clock
) -> None:
    moments = [entry.at for entry in later.audit()]
    tick = timedelta(microseconds=1)
    for at in sorted({moment + step for moment in moments for step in (-tick, tick * 0, tick)}):
        written = at.strftime("%Y-%m-%d %H:%M:%S.%f+00")
        asked = documented("champion").replace("2013-06-15 12:00:00.000000+00", written)
        found = later.champion_at(MODEL, at)
        assert [row["version"] for row in answer(later, asked)] == (
            [found.number] if found else []
        ), written


def test_the_library_names_every_approver_with_role_three_months_later(
    later: Registry, clock: Clock
) -> None:
    then = clock.now - timedelta(days=80)
    champion = later.champion_at(MODEL, then)
    assert champion is not None and champion.number == 1
    assert champion.lineage["lake_snapshot"] == 7
    given = later.approvals_of(MODEL, 1, then)
    assert [(a.approver, a.role) for a in given] == [("bob", "approver"), ("eve", "approver")]
    decided = later.decision(MODEL, clock.now)
    assert decided is not None and (decided.action, decided.version) == ("rolled_back", 1)
    (now,) = answer(later, "select * from champion_history where until is null")
    assert (now["version"], now["how"], now["approvers"]) == (1, "rolled_back", "bob, eve")
    later.verify_audit()


def test_a_rollback_keeps_the_reigns_apart(later: Registry) -> None:
    rows = answer(later, "select version, since, until from champion_history order by audit_entry")
    assert [row["version"] for row in rows] == [1, 2, 1]
    assert [row["until"] for row in rows[:-1]] == [row["since"] for row in rows[1:]]
    assert later.database.url.get_backend_name() in ("sqlite", "postgresql")
    with later.database.reading() as connection:
        assert sa.inspect(connection).get_view_names() == ["champion_history"]
