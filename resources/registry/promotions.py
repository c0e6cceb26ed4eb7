"""What a version must hold before it goes to production, and who says that it does."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from resources.registry import approvals, audit, history, transitions, versions
from resources.registry import evidence as gate
from resources.registry.desk import Granted
from resources.registry.errors import ApprovalMissing, PromotionRefused, TransitionRefused
from resources.registry.identity import person
from resources.registry.records import Action, Approval, Stage, Version
from resources.registry.transitions import Decision


def judge(
    granted: Granted, version: Version, verdict: Action, approver: str | None, reason: str
) -> Approval:
    """Record a person's verdict on a version that waits for promotion.

    The same verdict that stands already is returned as it is.

    Raises:
        PromotionRefused: TransitionRefused, GateRefused or ApproverRefused.
        AccessRefused: The token speaks for another name than its holder's.
    """
    name = granted.holds_name(approver)
    transitions.require_move(version, Action.PROMOTED)
    judgements = audit.judgements(granted.connection, version)
    if verdict is Action.APPROVED:
        gate.require_standing(version, judgements)
    authors = gate.authors(version, judgements)
    gate.require_approver(version, name, authors)
    listed = next(each for each in version.approvers if person(each) == person(name))
    for given in approvals.verdicts(granted.connection, version, authors, granted.at):
        if given.approver == listed and given.verdict is verdict:
            return given
    return approvals.add(
        granted.connection,
        version,
        verdict,
        approver=listed,
        by=granted.by,
        reason=reason,
        at=granted.at,
    )


def require_ready(connection: sa.Connection, version: Version) -> list[str]:
    """Refuse a version that cannot be promoted whoever approves; returns who made it.

    Raises:
        PromotionRefused: TransitionRefused, GateRefused or EvaluationStale.
    """
    transitions.require_move(version, Action.PROMOTED)
    judgements = audit.judgements(connection, version)
    gate.require_standing(version, judgements)
    champion = versions.champion(connection, version.model)
    gate.require_current(version, champion.number if champion else None)
    return gate.authors(version, judgements)


@dataclass(frozen=True, kw_only=True)
class Obstacles:
    """Why a version cannot be promoted, in words; None where nothing is in the way.

    `readiness` is what no approval helps with: its stage, its gates, another champion than the one
    that it was evaluated against.
    """

    readiness: str | None
    approval: str | None


def obstacles(connection: sa.Connection, version: Version, at: datetime) -> Obstacles:
    """What would refuse the version's promotion at the moment."""
    try:
        authors = require_ready(connection, version)
    except PromotionRefused as refused:
        return Obstacles(readiness=str(refused), approval=None)
    try:
        approvals.require_enough(
            version, approvals.verdicts(connection, version, authors, at), authors
        )
    except ApprovalMissing as missing:
        return Obstacles(readiness=None, approval=str(missing))
    return Obstacles(readiness=None, approval=None)


def break_glass(granted: Granted, version: Version, reason: str) -> Version:
    """Make a ready version the champion whatever approvals it has; the log says which."""
    given = approvals.of(granted.connection, version.model, version.number)
    told = f"{reason} (without approval; on record: {len(given)})"
    decision = Decision(by=granted.by, reason=told, at=granted.at)
    return transitions.crown(granted.connection, version, Action.BREAK_GLASS, decision)


def promote(granted: Granted, model: str, number: int, reason: str,
            approver: str | None = None) -> Version:  # fmt: skip
    """Make a version the champion on its standing approvals, `approver`'s given here among them.

    Raises:
        UnknownVersion: There is no such version.
        PromotionRefused: TransitionRefused, GateRefused, EvaluationStale, ApproverRefused or
            ApprovalMissing.
    """
    version = versions.find(granted.connection, model, number)
    if version.stage is Stage.PRODUCTION:
        return version
    authors = require_ready(granted.connection, version)
    if approver is not None:
        judge(granted, version, Action.APPROVED, approver, reason)
    standing = approvals.verdicts(granted.connection, version, authors, granted.at)
    names = approvals.require_enough(version, standing, authors)
    decision = Decision(by=granted.by, reason=reason, at=granted.at, approver=", ".join(names))
    return transitions.crown(granted.connection, version, Action.PROMOTED, decision)


def return_to(granted: Granted, model: str, number: int, reason: str) -> Version:
    """Make a champion of earlier the champion again.

    Raises:
        UnknownVersion: There is no such version.
        TransitionRefused: It never was champion.
        GateRefused: Its evidence was edited.
    """
    connection = granted.connection
    version = versions.find(connection, model, number)
    if version.stage is Stage.PRODUCTION:
        return version
    transitions.require_move(version, Action.ROLLED_BACK)
    if history.promotion(connection, model, number, granted.at) is None:
        raise TransitionRefused(
            f"{model} version {version.number} never was champion; register a new candidate"
        )
    gate.require_unedited(version, audit.judgements(connection, version))
    decision = Decision(by=granted.by, reason=reason, at=granted.at)
    return transitions.crown(connection, version, Action.ROLLED_BACK, decision)
