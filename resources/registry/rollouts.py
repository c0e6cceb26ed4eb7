"""The rollouts' rows: one per step. Every write is made by a caller who holds the writers' lock."""

from collections.abc import Generator
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from resources.digests import digest
from resources.registry import audit
from resources.registry.records import Event
from resources.registry.rollout_record import RolloutRecord, RolloutState
from resources.registry.tables import rollouts as table

_OF_THE_ROW = ("id", "at")


def newest(connection: sa.Connection, model: str | None = None) -> list[RolloutRecord]:
    """Each model's last rollout as it stands, by model."""
    last = sa.select(sa.func.max(table.c.id)).group_by(table.c.model)
    if model is not None:
        last = last.where(table.c.model == model)
    return _read(connection, table.c.id.in_(last), order=table.c.model)


def rolled_back(connection: sa.Connection) -> list[RolloutRecord]:
    """The last step of each model by which evidence took a version back, by model."""
    taken = table.c.state == RolloutState.ROLLED_BACK.value
    last = sa.select(sa.func.max(table.c.id)).where(taken).group_by(table.c.model)
    return _read(connection, table.c.id.in_(last), order=table.c.model)


def history(connection: sa.Connection, model: str) -> list[RolloutRecord]:
    """Every step of the model's rollouts, oldest first."""
    return _read(connection, table.c.model == model, order=table.c.id)


def append(
    connection: sa.Connection, record: RolloutRecord, event: Event, at: datetime
) -> RolloutRecord:
    """Write a step and its audit entry."""
    document = msgspec.to_builtins(record)
    for name in _OF_THE_ROW:
        del document[name]
    recorded = replace(event, record_digest=_digest(record.model, record.state, document))
    entry = audit.append(connection, recorded, at)
    row = {"model": record.model, "state": record.state.value, "document": document}
    connection.execute(sa.insert(table).values(row | {"id": entry.id, "at": at}))
    return msgspec.structs.replace(record, id=entry.id, at=at)


def stream(connection: sa.Connection) -> Generator[tuple[int, int | None, str]]:
    """Every step's id, None as it is never revoked, and its digest. The caller closes it."""
    query = sa.select(table).order_by(table.c.id)
    with connection.execute(query, execution_options={"yield_per": 1000}) as rows:
        for row in rows:
            yield row.id, None, _digest(row.model, row.state, row.document)


def _read(
    connection: sa.Connection, condition: sa.ColumnElement[bool], order: sa.Column[Any]
) -> list[RolloutRecord]:
    found = connection.execute(sa.select(table).where(condition).order_by(order))
    return [
        msgspec.convert(row.document | {"id": row.id, "at": row.at}, RolloutRecord) for row in found
    ]


def _digest(model: str, state: str, document: object) -> str:
    return digest({"model": model, "state": str(state), "document": document})
