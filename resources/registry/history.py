"""What was true at a moment, told from audit entries alone, each by an index."""

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa

from resources.registry import audit
from resources.registry.errors import TransitionRefused
from resources.registry.records import PROMOTIONS, Action, AuditEntry, Stage
from resources.registry.tables import CROWNED, audit_log


def coronation(
    connection: sa.Connection, model: str, at: datetime | None = None
) -> AuditEntry | None:
    """The entry that made the champion of the moment, or of now; None when there was none."""
    query = (
        sa.select(audit_log)
        .where(audit_log.c.model == model, CROWNED)
        .where(sa.true() if at is None else audit_log.c.at <= at)
        .order_by(audit_log.c.at.desc(), audit_log.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else audit.entry({**row})


def coronations(connection: sa.Connection) -> dict[str, int]:
    """The entry that made each model's champion of now, by model."""
    last = sa.select(audit_log.c.model, sa.func.max(audit_log.c.id)).where(CROWNED)
    return {model: entry for model, entry in connection.execute(last.group_by(audit_log.c.model))}


def stage(connection: sa.Connection, model: str, number: int, at: datetime) -> Stage | None:
    """The stage the version was in; None when it was not registered yet."""
    moved = _last(connection, model, number, at, audit_log.c.to_stage.is_not(None))
    return moved and moved.to_stage


def promotion(
    connection: sa.Connection, model: str, number: int, at: datetime
) -> AuditEntry | None:
    """The entry that first put the version into production; None when nothing had by then."""
    return _last(connection, model, number, at, audit_log.c.action.in_(PROMOTIONS))


def is_taken_back(connection: sa.Connection, model: str, number: int) -> bool:
    """Whether the version is archived because its rollout took it back."""
    moves = sa.select(audit_log.c.action).where(
        audit_log.c.model == model,
        audit_log.c.version == number,
        audit_log.c.to_stage.is_not(None),
    )
    last = connection.scalar(moves.order_by(audit_log.c.id.desc()).limit(1))
    return last == Action.TAKEN_BACK


def previous(connection: sa.Connection, model: str) -> int:
    """The champion that a rollback returns to: the one before the present one.

    Raises:
        TransitionRefused: There is none.
    """
    crowned = (
        sa.select(audit_log.c.version, audit_log.c.action)
        .where(audit_log.c.model == model, CROWNED)
        .order_by(audit_log.c.at, audit_log.c.id)
    )
    stack = reigns((version, action) for version, action in connection.execute(crowned))
    if len(stack) < 2:
        raise TransitionRefused(
            f"{model} has no champion before {f'version {stack[-1]}' if stack else 'now'}; "
            "promote a version instead"
        )
    return stack[-2]


def reigns(crowned: Iterable[tuple[int, str]]) -> list[int]:
    """The champions that a rollback can return to, the present one last.

    A promotion adds one. A rollback drops those after its target, so that rolling back twice
    goes two versions back rather than to and fro.

    Args:
        crowned: Version and action of the entries that made a champion, oldest first.
    """
    stack: list[int] = []
    for version, action in crowned:
        if action == Action.ROLLED_BACK and version in stack:
            del stack[stack.index(version) :]
        stack.append(version)
    return stack


def _last(
    connection: sa.Connection,
    model: str,
    number: int,
    at: datetime,
    condition: sa.ColumnElement[bool],
) -> AuditEntry | None:
    of_version = sa.and_(audit_log.c.model == model, audit_log.c.version == number)
    found = audit.read(connection, of_version, audit_log.c.at <= at, condition, newest=1)
    return found[0] if found else None
