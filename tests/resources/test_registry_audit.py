"""The audit log shows every change made behind it, on SQLite and PostgreSQL alike."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from resources.registry.errors import AuditBroken
from resources.registry.registry import Registry
from resources.registry.tables import audit_head, audit_log, evaluations, versions
from tests.resources.registry_cases import crown


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


@pytest.mark.parametrize(
    ("tamper", "entry_id"),
    [
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
