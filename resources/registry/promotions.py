"""What a version must hold before it goes to production, and who says that it does."""

import sqlalchemy as sa

from resources.registry import approvals, audit, transitions, versions
from resources.registry import evidence as gate
from resources.registry.desk import Granted
from resources.registry.identity import person
from resources.registry.records import Action, Approval, Version
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


def break_glass(granted: Granted, version: Version, reason: str) -> Version:
    """Make a ready version the champion whatever approvals it has; the log says which."""
    given = approvals.of(granted.connection, version.model, version.number)
    told = f"{reason} (without approval; on record: {len(given)})"
    decision = Decision(by=granted.by, reason=told, at=granted.at)
    return transitions.crown(granted.connection, version, Action.BREAK_GLASS, decision)
