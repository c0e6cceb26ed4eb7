"""The traffic tables' rows. Every write is made by a caller who holds the writers' lock."""

import secrets
from collections.abc import Generator
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from resources.digests import digest
from resources.registry import audit, notices
from resources.registry.errors import TrafficInvalid
from resources.registry.identity import Identity
from resources.registry.records import Action, Event, Stage
from resources.registry.tables import IN_PRODUCTION, versions
from resources.registry.tables import traffic as table
from resources.registry.traffic_table import Placed, Traffic, TrafficTable, read_traffic

NO_TABLE = 0  # the revision before the first


def current(connection: sa.Connection, model: str) -> TrafficTable:
    """The model's table, its champion, and the versions that it names.

    A model that never had a table has revision 0, its own name as the salt, and no arms.

    Raises:
        TrafficInvalid: The table contradicts itself, or there are two champions.
    """
    revision, document = _newest(connection, model)
    traffic = Traffic(salt=model) if revision == NO_TABLE else read_traffic(document)
    return _joined(connection, model, revision, traffic)


def repaired(connection: sa.Connection, model: str) -> TrafficTable:
    """The model's table; an empty one with a new salt where it contradicts itself.

    So a table that somebody broke by hand stands in the way of no rollback.
    """
    try:
        return current(connection, model)
    except TrafficInvalid:
        revision, _ = _newest(connection, model)
        return _joined(connection, model, revision, Traffic(salt=new_salt()))


def new_salt() -> str:
    """A salt that nobody can guess, so that nobody can choose a unit id for its variant."""
    return secrets.token_hex(8)


def at_revision(connection: sa.Connection, model: str, revision: int) -> Traffic:
    """The table as it was in one revision; 0 is that before the first.

    Raises:
        LookupError: There is no such revision.
        TrafficInvalid: It contradicts itself.
    """
    if revision == NO_TABLE:
        return Traffic(salt=model)
    row = connection.execute(_select(model).where(table.c.revision == revision)).one_or_none()
    if row is None:
        last = sa.select(sa.func.max(table.c.revision)).where(table.c.model == model)
        raise LookupError(
            f"{model} has no traffic table {revision}; "
            f"the newest is {connection.scalar(last) or NO_TABLE}"
        )
    return read_traffic(row.document)


def append(connection: sa.Connection, before: TrafficTable, traffic: Traffic, event: Event,
           at: datetime) -> TrafficTable:  # fmt: skip
    """Write the next revision and its audit entry, and tell the services that follow."""
    model, revision = event.model, before.revision + 1
    document: Any = msgspec.to_builtins(traffic)
    recorded = _digest(model, revision, document)
    entry = audit.append(connection, replace(event, record_digest=recorded), at)
    row = {"model": model, "revision": revision, "id": entry.id, "document": document, "at": at}
    connection.execute(sa.insert(table).values(row))
    notices.tell(connection, model)
    return _joined(connection, model, revision, traffic)


def leave(connection: sa.Connection, model: str, version: int, why: str, by: Identity,
          at: datetime) -> None:  # fmt: skip
    """Take a version that was promoted or archived out of the model's table, if it is there."""
    before = repaired(connection, model)
    if version not in before.traffic.versions:
        return
    event = Event(
        model=model,
        action=Action.TRAFFIC_CHANGED,
        actor=by.name,
        role=by.role,
        reason=f"version {version} left the traffic table: {why}",
    )
    append(connection, before, before.traffic.without(version), event, at)


def stream(connection: sa.Connection) -> Generator[tuple[int, int | None, str]]:
    """Every revision's id, None as it is never revoked, and its digest. The caller closes it."""
    query = sa.select(table).order_by(table.c.id)
    with connection.execute(query, execution_options={"yield_per": 1000}) as rows:
        for row in rows:
            yield row.id, None, _digest(row.model, row.revision, row.document)


def _newest(connection: sa.Connection, model: str) -> tuple[int, object]:
    newest = _select(model).order_by(table.c.revision.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return (NO_TABLE, None) if row is None else (row.revision, row.document)


def _joined(connection: sa.Connection, model: str, revision: int, traffic: Traffic) -> TrafficTable:
    crowned = _placed(connection, model, IN_PRODUCTION)
    if len(crowned) > 1:
        numbers = ", ".join(str(each.version) for each in crowned)
        raise TrafficInvalid(f"{model} has {len(crowned)} champions: versions {numbers}; keep one")
    named = versions.c.number.in_(sorted(traffic.versions))
    return TrafficTable(
        model=model,
        revision=revision,
        traffic=traffic,
        champion=crowned[0] if crowned else None,
        placed=tuple(_placed(connection, model, named)) if traffic.versions else (),
    )


def _digest(model: str, revision: int, document: object) -> str:
    return digest({"model": model, "revision": revision, "document": document})


def _select(model: str) -> sa.Select[Any, Any]:
    return sa.select(table.c.revision, table.c.document).where(table.c.model == model)


def _placed(
    connection: sa.Connection, model: str, condition: sa.ColumnElement[bool] | sa.TextClause
) -> list[Placed]:
    query = sa.select(versions.c.number, versions.c.stage, versions.c.artifact_digest)
    found = connection.execute(
        query.where(versions.c.model == model, condition).order_by(versions.c.number)
    )
    return [
        Placed(version=number, stage=Stage(stage), artifact_digest=artifact_digest)
        for number, stage, artifact_digest in found
    ]
