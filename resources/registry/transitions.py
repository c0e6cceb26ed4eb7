"""Changes of a version, each with its audit entry. The caller holds the writers' lock."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from resources.registry import audit, notices, traffic, versions
from resources.registry.errors import TransitionRefused
from resources.registry.identity import Identity
from resources.registry.records import Action, Event, Stage, Version

# The state machine: each move, the stages it may leave, and the stage it reaches.
MOVES: dict[Action, tuple[frozenset[Stage], Stage]] = {
    Action.CANARY_STARTED: (frozenset({Stage.STAGING}), Stage.CANARY),
    Action.PROMOTED: (frozenset({Stage.STAGING, Stage.CANARY}), Stage.PRODUCTION),
    Action.BREAK_GLASS: (frozenset({Stage.STAGING, Stage.CANARY}), Stage.PRODUCTION),
    Action.ARCHIVED: (frozenset({Stage.PRODUCTION}), Stage.ARCHIVED),
    Action.ROLLED_BACK: (frozenset({Stage.ARCHIVED}), Stage.PRODUCTION),
    Action.WITHDRAWN: (frozenset({Stage.STAGING, Stage.CANARY}), Stage.ARCHIVED),
    Action.TAKEN_BACK: (frozenset({Stage.STAGING, Stage.CANARY}), Stage.ARCHIVED),
    Action.RESTORED: (frozenset({Stage.ARCHIVED}), Stage.STAGING),
}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Who moves a version, why, when (UTC), and who approved it where that is needed."""

    by: Identity
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
            "rollback returns a champion of earlier to production, "
            "`mlplat rollout start` begins again what a rollout took back"
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
    """Move a version to another stage, and out of the traffic table where that ends its part.

    Raises:
        TransitionRefused: The state machine has no such move.
    """
    require_move(version, action)
    stage = MOVES[action][1]
    event = replace(
        _event(version, action, decision.by, decision.reason),
        from_stage=version.stage,
        to_stage=stage,
        approver=decision.approver,
    )
    versions.set_stage(connection, version, stage)
    audit.append(connection, event, decision.at)
    if stage in (Stage.PRODUCTION, Stage.ARCHIVED):
        why, by = action.replace("_", " "), decision.by
        traffic.leave(connection, version.model, version.number, why, by, decision.at)
    notices.tell(connection, version.model)
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


def add(connection: sa.Connection, added: Sequence[Version], by: Identity, at: datetime) -> None:
    """Add new versions."""
    versions.insert(connection, added)
    events = [
        replace(
            _event(version, Action.REGISTERED, by, f"passed; {_terms(version)}"),
            to_stage=version.stage,
            record_digest=versions.record_digest(version),
        )
        for version in added
    ]
    audit.extend(connection, events, at)


def renew(
    connection: sa.Connection, known: Version, again: Version, by: Identity, at: datetime
) -> None:
    """Take up newer evidence and terms of a known version; nothing when they are the same."""
    version = replace(
        known,
        evidence=again.evidence,
        evidence_digest=again.evidence_digest,
        approvers=again.approvers,
        approval=again.approval,
    )
    if version != known:
        versions.renew(connection, version)
        event = _event(version, Action.REEVALUATED, by, f"passed again; {_terms(version)}")
        event = replace(event, run_id=again.run_id, record_digest=versions.record_digest(version))
        audit.append(connection, event, at)


def _terms(version: Version) -> str:
    asked = version.approval.required
    needed = f"{asked} of " if asked > 1 else ""
    return f"approvers: {needed}{', '.join(version.approvers) or 'none'}"


def _event(version: Version, action: Action, by: Identity, reason: str) -> Event:
    return Event(
        model=version.model,
        action=action,
        actor=by.name,
        role=by.role,
        reason=reason,
        version=version.number,
        evidence_digest=version.evidence_digest,
        artifact_digest=version.artifact_digest,
        run_id=version.run_id,
    )
