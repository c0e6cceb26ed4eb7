"""The audit log: append-only, in one order, each entry chained to the one before by hash."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from resources.digests import canonical_json, digest, digest_of_bytes
from resources.registry import versions
from resources.registry.errors import AuditBroken
from resources.registry.records import ACCEPTED, Action, AuditEntry, Event, Stage, Version
from resources.registry.tables import audit_head, audit_log, utc

GENESIS = "sha256:" + "0" * 64
_COLUMNS = [audit_log.c[field.name] for field in fields(AuditEntry)]

Row = dict[str, Any]


def append(connection: sa.Connection, event: Event, now: datetime) -> AuditEntry:
    """Write an event at the log's end. The caller holds the writers' lock.

    An entry is never earlier than the one before it, even when two machines' clocks disagree:
    history is asked by time and must agree with the order of the log.
    """
    last = connection.execute(sa.select(audit_head)).one()
    newest = connection.scalar(sa.select(audit_log.c.at).where(audit_log.c.id == last.id))
    body = asdict(event) | {
        "id": last.id + 1,
        "at": max(utc(now), newest or datetime.min.replace(tzinfo=UTC)),
    }
    entry = AuditEntry(**body, previous_hash=last.hash, hash=_hash(last.hash, body))
    connection.execute(sa.insert(audit_log).values(asdict(entry)))
    connection.execute(sa.update(audit_head).values(id=entry.id, hash=entry.hash))
    return entry


def read(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[AuditEntry]:
    """The entries that meet the conditions, oldest first."""
    return [_entry(row) for row in _rows(connection, *conditions)]


def judgements(connection: sa.Connection, version: Version) -> list[AuditEntry]:
    """What evaluations said of the version's artefact, oldest first."""
    return read(
        connection,
        audit_log.c.model == version.model,
        audit_log.c.artifact_digest == version.artifact_digest,
        audit_log.c.action.in_([*ACCEPTED, Action.REFUSED]),
    )


def verify(connection: sa.Connection) -> int:
    """Recompute the chain, and check that it leads to what the versions are.

    Returns:
        The number of entries.

    Raises:
        AuditBroken: An entry was edited, removed, inserted or swapped, or a version's stage,
            artefact or evidence was changed behind the log.
    """
    previous, rows = GENESIS, _rows(connection)
    for position, row in enumerate(rows, start=1):
        if row["id"] != position:
            raise AuditBroken(position, f"is missing, the next one is {row['id']}")
        if row["previous_hash"] != previous:
            raise AuditBroken(position, "does not follow from the entry before it")
        if row["hash"] != _hash(previous, row):
            raise AuditBroken(position, "was edited, its content no longer gives its hash")
        previous = row["hash"]
    head = connection.execute(sa.select(audit_head)).one()
    if (head.id, head.hash) != (len(rows), previous):
        raise AuditBroken(head.id, f"was the last one, but the log ends at {len(rows)}")
    _verify_versions(connection, [_entry(row) for row in rows])
    return len(rows)


def _verify_versions(connection: sa.Connection, entries: Sequence[AuditEntry]) -> None:
    moved = {(e.model, e.version): e for e in entries if e.to_stage is not None}
    judged = {(e.model, e.version): e for e in entries if e.action in ACCEPTED}
    for row in versions.select(connection):
        key, name = (row.model, row.number), f"{row.model} version {row.number}"
        if key not in judged:
            raise AuditBroken(len(entries), f"nothing up to here registered {name}")
        move, judgement = moved.pop(key), judged[key]
        if move.to_stage != row.stage:
            raise AuditBroken(move.id, f"left {name} in {move.to_stage}, it is in {row.stage}")
        if judgement.artifact_digest != row.artifact_digest:
            raise AuditBroken(judgement.id, f"names another artefact of {name} than is registered")
        if not judgement.evidence_digest == row.evidence_digest == digest(row.evidence):
            raise AuditBroken(judgement.id, f"names other evidence of {name} than is recorded")
    for (model, number), move in moved.items():
        raise AuditBroken(move.id, f"{model} version {number} is gone from the versions")


def _rows(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[Row]:
    query = sa.select(*_COLUMNS).where(*conditions).order_by(audit_log.c.id)
    return [{**row} for row in connection.execute(query).mappings()]


def _entry(row: Row) -> AuditEntry:
    typed: Row = {name: row[name] and Stage(row[name]) for name in ("from_stage", "to_stage")}
    typed["action"] = Action(row["action"])
    return AuditEntry(**row | typed)


def _hash(previous: str, entry: Row) -> str:
    body = {name: value for name, value in entry.items() if name not in ("hash", "previous_hash")}
    body["at"] = entry["at"].isoformat(timespec="microseconds")
    return digest_of_bytes(previous.encode() + canonical_json(body))
