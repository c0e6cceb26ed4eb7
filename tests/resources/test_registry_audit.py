"""The audit log shows every change made behind it, on SQLite and PostgreSQL alike."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from resources.registry.errors import AuditBroken
from resources.registry.identity import Role
from resources.registry.registry import Registry, registry
from resources.registry.tables import (
    approvals,
    audit_head,
    audit_log,
    evaluations,
    tokens,
    versions,
)
from tests.resources.conftest import Clock
from tests.resources.registry_cases import MODEL, crown, register


def unguard(connection: sa.Connection) -> None:
    """Take the guards away, as the database's owner could."""
    if connection.dialect.name == "sqlite":
        for verb in ("update", "delete"):
            connection.execute(sa.DDL(f"drop trigger audit_log_{verb}"))
    else:
        connection.execute(sa.DDL("alter table audit_log disable trigger user"))


def row(number: int) -> sa.ColumnElement[bool]:
    return audit_log.c.id == number


def edit(connection: sa.Connection) -> None:
    connection.execute(sa.update(audit_log).where(row(2)).values(approver="mallory"))


def forge(connection: sa.Connection) -> None:
    connection.execute(sa.update(audit_log).where(row(2)).values(action="blessed"))


def delete(connection: sa.Connection) -> None:
    connection.execute(sa.delete(audit_log).where(row(3)))


def cut(connection: sa.Connection) -> None:
    connection.execute(sa.delete(audit_log).where(row(7)))


def swap(connection: sa.Connection) -> None:
    for old, new in ((2, 99), (3, 2), (99, 3)):
        connection.execute(sa.update(audit_log).where(row(old)).values(id=new))


def insert(connection: sa.Connection) -> None:
    entry = connection.execute(sa.select(audit_log).where(row(7))).mappings().one()
    connection.execute(sa.insert(audit_log).values({**entry, "id": 8}))


def empty(connection: sa.Connection) -> None:
    connection.execute(sa.delete(audit_log))
    connection.execute(sa.update(audit_head).values(id=0, hash="sha256:" + "0" * 64))


def crown_by_hand(connection: sa.Connection) -> None:
    connection.execute(sa.update(versions).values(stage="archived"))


def move_by_hand(connection: sa.Connection) -> None:
    connection.execute(
        sa.update(versions).where(versions.c.number == 2).values(artifact_digest="sha256:0")
    )


def improve_evidence(connection: sa.Connection) -> None:
    connection.execute(sa.update(evaluations).values(evidence={"passed": True}))


def of_first(table: sa.Table) -> sa.ColumnElement[bool]:
    return table.c.number == 1


def rewrite_lineage(connection: sa.Connection) -> None:
    connection.execute(sa.update(versions).where(of_first(versions)).values(lineage={"seed": 1}))


def rename_author(connection: sa.Connection) -> None:
    connection.execute(sa.update(versions).where(of_first(versions)).values(author="nobody"))


def add_approver(connection: sa.Connection) -> None:
    listed = sa.update(versions).where(versions.c.number == 2)
    connection.execute(listed.values(approvers=["bob", "eve", "mallory"]))


def ask_for_less(connection: sa.Connection) -> None:
    connection.execute(sa.update(versions).values(approvals_valid_seconds=9_999_999))


@pytest.mark.parametrize(
    ("tamper", "entry_id"),
    [
        (rewrite_lineage, 1),
        (rename_author, 1),
        (add_approver, 4),
        (ask_for_less, 1),
        (edit, 2),
        (forge, 2),
        (delete, 3),
        (cut, 7),
        (swap, 2),
        (insert, 8),
        (empty, 0),
        (crown_by_hand, 7),
        (move_by_hand, 4),
        (improve_evidence, 1),
    ],
)
def test_tampering_is_found_and_named(
    store: Registry, tamper: Callable[[sa.Connection], None], entry_id: int
) -> None:
    crown(store, "a", "b")
    assert store.verify_audit() == 7
    with store.database.writing() as connection:
        unguard(connection)
        tamper(connection)
    with pytest.raises(AuditBroken, match=f"audit entry {entry_id}: .*backup") as broken:
        store.verify_audit()
    assert broken.value.entry_id == entry_id


@pytest.mark.parametrize("change", [edit, delete])
def test_the_database_itself_refuses_to_change_the_log(
    store: Registry, change: Callable[[sa.Connection], None]
) -> None:
    crown(store, "a", "b")
    with pytest.raises(DBAPIError, match="append-only"), store.database.writing() as connection:
        change(connection)
    assert store.verify_audit() == 7


def test_an_empty_log_is_whole(store: Registry) -> None:
    assert store.verify_audit() == 0


def approve_for(connection: sa.Connection) -> None:
    connection.execute(sa.update(approvals).where(approvals.c.id == 4).values(approver="mallory"))


def prolong(connection: sa.Connection) -> None:
    later = sa.update(approvals).where(approvals.c.id == 4)
    connection.execute(later.values(expires_at=approvals.c.at))


def accept_rejection(connection: sa.Connection) -> None:
    connection.execute(sa.update(approvals).where(approvals.c.id == 5).values(verdict="approved"))


def unrevoke(connection: sa.Connection) -> None:
    connection.execute(sa.update(approvals).values(revoked_in=None))


def revoke_by_hand(connection: sa.Connection) -> None:
    connection.execute(sa.update(approvals).where(approvals.c.id == 4).values(revoked_in=5))


def drop_verdict(connection: sa.Connection) -> None:
    connection.execute(sa.delete(approvals).where(approvals.c.id == 5))


def forge_approval(connection: sa.Connection) -> None:
    given = connection.execute(sa.select(approvals).where(approvals.c.id == 4)).mappings().one()
    connection.execute(sa.insert(approvals).values({**given, "id": 3, "approver": "eve"}))


def raise_role(connection: sa.Connection) -> None:
    connection.execute(sa.update(tokens).where(tokens.c.id == 2).values(role="admin"))


def swap_secret(connection: sa.Connection) -> None:
    connection.execute(sa.update(tokens).where(tokens.c.id == 1).values(hash="0" * 64))


def drop_tokens(connection: sa.Connection) -> None:
    connection.execute(sa.delete(tokens))


def revive(connection: sa.Connection) -> None:
    connection.execute(sa.update(tokens).values(revoked_in=None))


@pytest.mark.parametrize(
    ("tamper", "entry_id"),
    [
        (approve_for, 4),
        (prolong, 4),
        (accept_rejection, 5),
        (unrevoke, 6),
        (revoke_by_hand, 4),
        (drop_verdict, 5),
        (forge_approval, 3),
        (raise_role, 2),
        (swap_secret, 1),
        (drop_tokens, 1),
        (revive, 7),
    ],
)
def test_an_approval_or_token_changed_behind_the_log_is_found_and_named(
    store: Registry,
    registry_url: str,
    clock: Clock,
    tamper: Callable[[sa.Connection], None],
    entry_id: int,
) -> None:
    ada = registry(registry_url, clock, store.tokens.create("ada", Role.ADMIN, actor="root").text)
    bob = registry(registry_url, clock, ada.tokens.create("bob", Role.APPROVER).text)
    register(ada, "a")
    bob.approve(MODEL, 1, reason="looked at it")
    bob.reject(MODEL, 1, reason="looked again")
    bob.revoke_approval(MODEL, 1, approver="bob", reason="all is well")
    ada.tokens.revoke("bob")
    assert store.verify_audit() == 7
    with store.database.writing() as connection:
        tamper(connection)
    with pytest.raises(AuditBroken, match=f"audit entry {entry_id}: .*backup") as broken:
        store.verify_audit()
    assert broken.value.entry_id == entry_id


def test_the_role_of_an_entry_is_part_of_its_hash(
    store: Registry, registry_url: str, clock: Clock
) -> None:
    ada = registry(registry_url, clock, store.tokens.create("ada", Role.ADMIN, actor="root").text)
    register(ada, "a")
    assert store.verify_audit() == 2
    with store.database.writing() as connection:
        unguard(connection)
        connection.execute(sa.update(audit_log).where(row(2)).values(role=None))
    with pytest.raises(AuditBroken, match="audit entry 2: was edited"):
        store.verify_audit()
