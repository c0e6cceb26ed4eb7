"""The rows of requests to retrain. Every write is made by a caller who holds the writers' lock."""

from collections.abc import Generator
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from resources.digests import digest
from resources.registry import audit
from resources.registry.desk import Granted
from resources.registry.errors import TransitionRefused
from resources.registry.records import Action, Event
from resources.registry.retraining_records import (
    Json,
    Retraining,
    RetrainingState,
    document_of,
    retraining_of,
)
from resources.registry.tables import retrainings as table

NEW = 0  # of a request, until its first audit entry gives it a number

# What an entry of the log says of a request that comes into each state.
_TOLD = {
    RetrainingState.REQUESTED: Action.RETRAINING_REQUESTED,
    RetrainingState.SKIPPED: Action.RETRAINING_DECIDED,
    RetrainingState.PENDING: Action.RETRAINING_DECIDED,
    RetrainingState.APPROVED: Action.RETRAINING_DECIDED,  # where it needs nobody's approval
    RetrainingState.REJECTED: Action.RETRAINING_REJECTED,
    RetrainingState.EXPIRED: Action.RETRAINING_EXPIRED,
    RetrainingState.LAUNCHED: Action.RETRAINING_LAUNCHED,
    RetrainingState.SUCCEEDED: Action.RETRAINING_ENDED,
    RetrainingState.FAILED: Action.RETRAINING_ENDED,
}
ACTIONS = (Action.RETRAINING_APPROVED, *dict.fromkeys(_TOLD.values()))


def find(connection: sa.Connection, request: int) -> Retraining:
    """A request as it stands now.

    Raises:
        LookupError: There is none of that number.
    """
    rows = _states(connection, table.c.request == request)
    if not rows:
        raise LookupError(f"there is no retraining {request}; `mlplat retrain list` shows them")
    return rows[-1]


def states_of(connection: sa.Connection, request: int) -> list[Retraining]:
    """Every state that a request was in, oldest first."""
    return _states(connection, table.c.request == request)


def current(
    connection: sa.Connection,
    *,
    model: str | None = None,
    states: tuple[RetrainingState, ...] = (),
    newest: int | None = None,
) -> list[Retraining]:
    """Requests as they stand now, oldest first: of a model, in some states, the newest so many."""
    last = sa.select(sa.func.max(table.c.id)).group_by(table.c.request)
    if model is not None:
        last = last.where(table.c.model == model)
    query = sa.select(table).where(table.c.id.in_(last))
    if states:
        query = query.where(table.c.state.in_(states))
    query = query.order_by(table.c.request.desc()).limit(newest)
    found = [retraining_of({**row}) for row in connection.execute(query).mappings()]
    return found[::-1]


def write(granted: Granted, retraining: Retraining, state: RetrainingState) -> Retraining:
    """Put a request into a state, with an entry in the audit log.

    The entry says the reason that the request has by then.
    """
    by_person = state is RetrainingState.APPROVED and retraining.approver
    made = replace(retraining, state=state, at=granted.at)
    number = f"retraining {made.request}" if made.request else "retraining"
    event = Event(
        model=made.model,
        action=Action.RETRAINING_APPROVED if by_person else _TOLD[state],
        actor=granted.by.name,
        role=granted.by.role,
        approver=made.approver or None,
        reason=f"{number} for {made.asked.trigger} is {state}: {made.reason}",
        run_id=made.run_id or None,
        record_digest=_digest(made.model, state, document_of(made), granted.at),
    )
    entry = audit.append(granted.connection, event, granted.at)
    made = replace(made, id=entry.id, request=made.request or entry.id)
    row = {
        "id": made.id,
        "request": made.request,
        "model": made.model,
        "state": made.state.value,
        "document": document_of(made),
        "at": made.at,
    }
    granted.connection.execute(sa.insert(table).values(row))
    return made


def require_state(retraining: Retraining, *states: RetrainingState) -> None:
    """Refuse a change of a request that is not in one of the states.

    Raises:
        TransitionRefused: Naming the state that it is in.
    """
    if retraining.state not in states:
        raise TransitionRefused(
            f"retraining {retraining.request} of {retraining.model} is {retraining.state} since "
            f"{retraining.at:%Y-%m-%d %H:%M} UTC; only one that is {' or '.join(states)} can be"
        )


def stream(connection: sa.Connection) -> Generator[tuple[int, int | None, str]]:
    """Every row's id, None as it is never revoked, and its digest. The caller closes it."""
    query = sa.select(table).order_by(table.c.id)
    with connection.execute(query, execution_options={"yield_per": 1000}) as rows:
        for row in rows:
            yield row.id, None, _digest(row.model, row.state, row.document, row.at)


def _states(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[Retraining]:
    query = sa.select(table).where(condition).order_by(table.c.id)
    return [retraining_of({**row}) for row in connection.execute(query).mappings()]


def _digest(model: str, state: str, document: Json, at: datetime) -> str:
    told = at.isoformat(timespec="microseconds")
    return digest({"model": model, "state": state, "document": document, "at": told})
