"""The audit log: append-only, in one order, each entry chained to the one before by hash."""

from collections.abc import Generator, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from resources.digests import canonical_json, digest, digest_of_bytes
from resources.registry.identity import Role
from resources.registry.records import ACCEPTED, Action, AuditEntry, Event, Stage, Version
from resources.registry.tables import audit_head, audit_log, utc

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

GENESIS = "sha256:" + "0" * 64
_COLUMNS = [audit_log.c[field.name] for field in fields(AuditEntry)]
# Entries written before roles have no such fields in their hash, and keep it.
_SINCE_0002 = ("role", "record_digest")
_CHAIN = ("hash", "previous_hash")

Row = dict[str, Any]


def moment(connection: sa.Connection, now: datetime) -> datetime:
    """When an entry written now happens: never before the last one.

    Even when two machines' clocks disagree: history is asked by time and must agree with the
    order of the log, and an approval that has expired must not come back.
    """
    last = sa.select(audit_head.c.id).scalar_subquery()
    newest = connection.scalar(sa.select(audit_log.c.at).where(audit_log.c.id == last))
    return max(utc(now), newest or datetime.min.replace(tzinfo=UTC))


def append(connection: sa.Connection, event: Event, at: datetime) -> AuditEntry:
    """Write an event at the log's end. The caller holds the writers' lock."""
    return extend(connection, [event], at)[0]


def extend(connection: sa.Connection, events: Sequence[Event], at: datetime) -> list[AuditEntry]:
    """Write events at the log's end, in their order.

    The caller holds the writers' lock, and has `at` from `moment`.
    """
    last = connection.execute(sa.select(audit_head)).one()
    previous, entries = last.hash, list[AuditEntry]()
    for number, event in enumerate(events, start=last.id + 1):
        body = asdict(event) | {"id": number, "at": at}
        entries.append(AuditEntry(**body, previous_hash=previous, hash=hash_of(previous, body)))
        previous = entries[-1].hash
    connection.execute(sa.insert(audit_log), [asdict(entry) for entry in entries])
    connection.execute(sa.update(audit_head).values(id=entries[-1].id, hash=previous))
    return entries


def read(
    connection: sa.Connection, *conditions: sa.ColumnElement[bool], newest: int | None = None
) -> list[AuditEntry]:
    """The entries that meet the conditions, oldest first; of them the newest so many."""
    query = sa.select(*_COLUMNS).where(*conditions)
    if newest is None:
        found = connection.execute(query.order_by(audit_log.c.id)).mappings().all()
    else:
        last = query.order_by(audit_log.c.id.desc()).limit(newest)
        found = reversed(connection.execute(last).mappings().all())
    return [entry({**row}) for row in found]


def stream(connection: sa.Connection) -> Generator[Row]:
    """Every entry as it is stored, oldest first, some at a time. The caller closes it."""
    query = sa.select(*_COLUMNS).order_by(audit_log.c.id)
    with connection.execute(query, execution_options={"yield_per": 1000}) as rows:
        for row in rows.mappings():
            yield {**row}


def judgements(connection: sa.Connection, version: Version) -> list[AuditEntry]:
    """What evaluations said of the version's artefact, oldest first."""
    return read(
        connection,
        audit_log.c.model == version.model,
        audit_log.c.artifact_digest == version.artifact_digest,
        audit_log.c.action.in_([*ACCEPTED, Action.REFUSED]),
    )


def entry(row: Row) -> AuditEntry:
    """An entry from its row."""
    typed: Row = {name: row[name] and Stage(row[name]) for name in ("from_stage", "to_stage")}
    typed |= {"action": Action(row["action"]), "role": row["role"] and Role(row["role"])}
    return AuditEntry(**row | typed)


def hash_of(previous: str, row: Row) -> str:
    """What an entry's content gives after the entry with the previous hash."""
    body = {
        name: value
        for name, value in row.items()
        if name not in _CHAIN and not (value is None and name in _SINCE_0002)
    }
    body["at"] = row["at"].isoformat(timespec="microseconds")
    return digest_of_bytes(previous.encode() + canonical_json(body))


def revocation_of(row_id: int) -> str:
    """The record digest of an entry that takes back the approval or token of that id."""
    return digest({"revokes": row_id})


def digest_of_record(record: "DataclassInstance") -> str:
    """Of everything but the id, which the entry gives, and what happens to the record later."""
    names = [field.name for field in fields(record) if field.name not in ("id", "revoked_in")]
    row = {name: getattr(record, name) for name in names}
    for name, value in row.items():
        if isinstance(value, datetime):
            row[name] = value.isoformat(timespec="microseconds")
    return digest(row)
