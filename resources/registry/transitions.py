"""Changes of a version, each with its audit entry. The caller holds the writers' lock."""

from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from resources.registry import audit, versions
from resources.registry.errors import TransitionRefused
from resources.registry.records import Action, Event, Stage, Version

# The state machine: each move, the stages it may leave, and the stage it reaches.
MOVES: dict[Action, tuple[frozenset[Stage], Stage]] = {
    Action.CANARY_STARTED: (frozenset({Stage.STAGING}), Stage.CANARY),
    Action.PROMOTED: (frozenset({Stage.STAGING, Stage.CANARY}), Stage.PRODUCTION),
    Action.ARCHIVED: (frozenset({Stage.PRODUCTION}), Stage.ARCHIVED),
    Action.ROLLED_BACK: (frozenset({Stage.ARCHIVED}), Stage.PRODUCTION),
    Action.WITHDRAWN: (frozenset({Stage.STAGING, Stage.CANARY}), Stage.ARCHIVED),
}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Who moves a version, why, when (UTC), and who approved it where that is needed."""

    actor: str
    reason: str
    at: datetime
    approver: str | None = None


def require_move(version: Version, action: Action) -> None:
    """Refuse a move that the state machine does not have.

    Raises:
        TransitionRefused: Naming the stage and the stages the move leaves from.
    """
    leaves, _ = MOVES[action]
    if version.stage not in leaves:
        remedy = (
            "only rollback returns an archived version to production"
            if version.stage is Stage.ARCHIVED
            else f"it must be in {' or '.join(sorted(leaves))}"
        )
        raise TransitionRefused(
            f"{version.model} version {version.number} is in {version.stage} and cannot be "
            f"{action.replace('_', ' ')}; {remedy}"
        )


def move(
    connection: sa.Connection, version: Version, action: Action, decision: Decision
) -> Version:
    """Move a version to another stage.

    Raises:
        TransitionRefused: The state machine has no such move.
    """
    require_move(version, action)
    stage = MOVES[action][1]
    event = replace(
        _event(version, action, decision.actor, decision.reason),
        from_stage=version.stage,
        to_stage=stage,
        approver=decision.approver,
    )
    versions.set_stage(connection, version, stage)
    audit.append(connection, event, decision.at)
    return replace(version, stage=stage)


def crown(
    connection: sa.Connection, version: Version, action: Action, decision: Decision
) -> Version:
    """Move a version to production, after archiving the champion so far.

    Raises:
        TransitionRefused: The state machine has no such move.
    """
    require_move(version, action)
    if champion := versions.champion(connection, version.model):
        told = f"gives way to version {version.number}: {decision.reason}"
        yielding = replace(decision, reason=told, approver=None)
        move(connection, champion, Action.ARCHIVED, yielding)
    return move(connection, version, action, decision)


def add(connection: sa.Connection, version: Version) -> None:
    """Add a new version."""
    versions.insert(connection, version)
    event = _event(version, Action.REGISTERED, version.author, f"passed; {_approvers(version)}")
    audit.append(connection, replace(event, to_stage=version.stage), version.created_at)


def renew(connection: sa.Connection, known: Version, version: Version) -> None:
    """Take up newer evidence and approvers of a known version; nothing when they are the same."""
    terms = (version.evidence_digest, version.approvers)
    if terms != (known.evidence_digest, known.approvers):
        versions.renew(connection, version)
        told = f"passed again; {_approvers(version)}"
        event = _event(version, Action.REEVALUATED, version.author, told)
        audit.append(connection, event, version.created_at)


def _approvers(version: Version) -> str:
    return f"approvers: {', '.join(version.approvers) or 'none'}"


def _event(version: Version, action: Action, actor: str, reason: str) -> Event:
    return Event(
        model=version.model,
        action=action,
        actor=actor,
        reason=reason,
        version=version.number,
        evidence_digest=version.evidence_digest,
        artifact_digest=version.artifact_digest,
        run_id=version.run_id,
    )
