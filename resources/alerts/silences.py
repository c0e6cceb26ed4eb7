"""Silences on record: who made them, until when, and whether somebody ended them before."""

from collections.abc import Generator
from dataclasses import asdict, replace
from datetime import datetime

import sqlalchemy as sa

from resources.alerts.records import Silence
from resources.alerts.tables import silences as table
from resources.registry import audit
from resources.registry.identity import Identity
from resources.registry.records import Action, Event


def every(connection: sa.Connection) -> list[Silence]:
    """All that were ever made, oldest first."""
    rows = connection.execute(sa.select(table).order_by(table.c.id)).mappings()
    return [Silence(**row) for row in rows]


def standing(connection: sa.Connection, at: datetime) -> list[Silence]:
    """Those that are in force at the moment, oldest first."""
    query = sa.select(table).where(table.c.until > at, table.c.revoked_in.is_(None))
    rows = connection.execute(query.order_by(table.c.id)).mappings()
    return [Silence(**row) for row in rows]


def add(connection: sa.Connection, silence: Silence, by: Identity) -> Silence:
    """Put a silence on record."""
    about = " ".join(part for part in (silence.kind, silence.subject) if part) or "every alert"
    told = f"{about} until {silence.until:%Y-%m-%d %H:%M} UTC: {silence.reason}"
    event = _event(Action.ALERT_SILENCED, silence, by, told, audit.digest_of_record(silence))
    made = replace(silence, id=audit.append(connection, event, silence.at).id)
    connection.execute(sa.insert(table).values(asdict(made)))
    return made


def end(
    connection: sa.Connection, silence: Silence, *, by: Identity, reason: str, at: datetime
) -> Silence:
    """Put on record that a silence was ended before its time."""
    digest = audit.revocation_of(silence.id)
    event = _event(Action.ALERT_UNSILENCED, silence, by, reason, digest)
    entry = audit.append(connection, event, at)
    connection.execute(sa.update(table).where(table.c.id == silence.id).values(revoked_in=entry.id))
    return replace(silence, revoked_in=entry.id)


def stream(connection: sa.Connection) -> Generator[tuple[int, int | None, str]]:
    """Every record's id, the entry that ended it, and its digest."""
    for silence in every(connection):
        yield silence.id, silence.revoked_in, audit.digest_of_record(silence)


def _event(
    action: Action, silence: Silence, by: Identity, reason: str, record_digest: str
) -> Event:
    return Event(
        model=silence.model,
        action=action,
        actor=by.name,
        role=by.role,
        reason=reason,
        record_digest=record_digest,
    )
