"""Approvals as records: whose verdict, on which artefact and evidence, until when."""

from collections.abc import Generator, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from resources.registry import audit
from resources.registry.errors import ApprovalMissing
from resources.registry.evidence import may_approve
from resources.registry.identity import Identity, Role, person
from resources.registry.records import Action, Approval, AuditEntry, Event, Version
from resources.registry.tables import approvals as table


def of(connection: sa.Connection, model: str, number: int) -> list[Approval]:
    """Every verdict on a version, oldest first, whether it stands or not."""
    return read(connection, table.c.model == model, table.c.number == number)


def verdicts(
    connection: sa.Connection, version: Version, authors: Sequence[str], at: datetime
) -> list[Approval]:
    """The verdicts that stand, read now."""
    return standing(of(connection, version.model, version.number), version, authors, at)


def standing(
    given: Sequence[Approval], version: Version, authors: Sequence[str], at: datetime
) -> list[Approval]:
    """Of all verdicts, those that stand: the last one of each person who may approve the version.

    A verdict binds to the artefact and the evidence that it was given on.
    """
    last = {
        person(verdict.approver): verdict
        for verdict in given
        if verdict.artifact_digest == version.artifact_digest
        and verdict.evidence_digest == version.evidence_digest
        and verdict.revoked_in is None
    }
    able = {person(name) for name in may_approve(version, authors)}
    return [
        verdict
        for who, verdict in last.items()
        if who in able and (verdict.expires_at is None or verdict.expires_at > at)
    ]


def require_enough(
    version: Version, standing: Sequence[Approval], authors: Sequence[str]
) -> list[str]:
    """Who approved it, when they are enough and nobody rejected it.

    Raises:
        ApprovalMissing: Naming who rejected it, or who can approve it yet.
    """
    subject = f"{version.model} version {version.number}"
    for verdict in standing:
        if verdict.verdict is Action.REJECTED:
            raise ApprovalMissing(
                f"{subject} was rejected by {verdict.approver} ({verdict.reason}); "
                "have the rejection revoked, or register a better candidate"
            )
    names = [verdict.approver for verdict in standing]
    if len(names) < version.approval.required:
        given = {person(name) for name in names}
        others = [n for n in may_approve(version, authors) if person(n) not in given]
        so_far = f" ({', '.join(names)})" if names else ""
        raise ApprovalMissing(
            f"{subject} has {len(names)} of {version.approval.required} approvals{so_far}; "
            f"ask {', '.join(others) or 'for more approvers in the model'}: "
            f"`mlplat models approve {version.model} {version.number} --reason WHY`"
        )
    return names


def behind(promoted: AuditEntry, given: Sequence[Approval]) -> list[Approval]:
    """Of the verdicts on a version, the approvals that its promotion rested on."""
    if promoted.action is not Action.PROMOTED:
        return []
    last = {
        person(approval.approver): approval
        for approval in given
        if approval.id < promoted.id
        and approval.artifact_digest == promoted.artifact_digest
        and approval.evidence_digest == promoted.evidence_digest
        and (approval.revoked_in is None or approval.revoked_in > promoted.id)
        and approval.verdict is Action.APPROVED
    }
    named = {person(name) for name in (promoted.approver or "").split(", ")}
    return [approval for who, approval in last.items() if who in named]


def add(
    connection: sa.Connection,
    version: Version,
    verdict: Action,
    *,
    approver: str,
    by: Identity,
    reason: str,
    at: datetime,
) -> Approval:
    """Put a verdict on record."""
    expires = at + version.approval.valid if verdict is Action.APPROVED else None
    made = Approval(
        id=0,
        model=version.model,
        number=version.number,
        approver=approver,
        role=by.role,
        verdict=verdict,
        reason=reason,
        artifact_digest=version.artifact_digest,
        evidence_digest=version.evidence_digest,
        at=at,
        expires_at=expires,
    )
    event = replace(_event(made, verdict, by, reason), record_digest=audit.digest_of_record(made))
    entry = audit.append(connection, event, at)
    made = replace(made, id=entry.id)
    connection.execute(sa.insert(table).values(asdict(made)))
    return made


def revoke(
    connection: sa.Connection, verdict: Approval, *, by: Identity, reason: str, at: datetime
) -> Approval:
    """Put on record that a verdict was taken back."""
    event = _event(verdict, Action.APPROVAL_REVOKED, by, reason)
    event = replace(event, record_digest=audit.revocation_of(verdict.id))
    entry = audit.append(connection, event, at)
    same = table.c.id == verdict.id
    connection.execute(sa.update(table).where(same).values(revoked_in=entry.id))
    return replace(verdict, revoked_in=entry.id)


def stream(connection: sa.Connection) -> Generator[tuple[int, int | None, str]]:
    """Every record's id, the entry that revoked it, and its digest. The caller closes it."""
    query = sa.select(table).order_by(table.c.id)
    with connection.execute(query, execution_options={"yield_per": 1000}) as rows:
        for row in rows.mappings():
            found = _approval({**row})
            yield found.id, found.revoked_in, audit.digest_of_record(found)


def read(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[Approval]:
    """The verdicts that meet the conditions, oldest first."""
    query = sa.select(table).where(*conditions).order_by(table.c.id)
    return [_approval({**row}) for row in connection.execute(query).mappings()]


def _approval(row: dict[str, Any]) -> Approval:
    typed = {"role": row["role"] and Role(row["role"]), "verdict": Action(row["verdict"])}
    return Approval(**row | typed)


def _event(approval: Approval, action: Action, by: Identity, reason: str) -> Event:
    return Event(
        model=approval.model,
        action=action,
        actor=by.name,
        role=by.role,
        reason=reason,
        version=approval.number,
        approver=approval.approver,
        evidence_digest=approval.evidence_digest,
        artifact_digest=approval.artifact_digest,
    )
