"""Versions that wait for people: who has approved, who may yet, until when it stands.

A few queries, however many models there are.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from resources.registry import approvals, audit, versions
from resources.registry import evidence as gate
from resources.registry.errors import PromotionRefused
from resources.registry.identity import person
from resources.registry.records import ACCEPTED, Action, Approval, AuditEntry, Stage, Version
from resources.registry.tables import approvals as approval_table
from resources.registry.tables import audit_log
from resources.registry.tables import versions as version_table

# Of each model's versions in staging and canary: nobody looks at the sixth newest, unless somebody
# gave a verdict on it.
_NEWEST = 5

State = Literal["waiting", "approved", "rejected", "blocked"]


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A version on its way to production, and what people have said of it.

    Attributes:
        version: In staging or canary.
        standing: The verdicts that stand, one of each person at most.
        lapsed: Approvals of its present artefact and evidence whose time is over.
        may_approve: Its approvers who have no verdict that stands and did not make it.
        obstacle: Why no approval would bring it there: stale, edited or refused evidence.
    """

    version: Version
    standing: tuple[Approval, ...]
    lapsed: tuple[Approval, ...]
    may_approve: tuple[str, ...]
    obstacle: str | None

    @property
    def approved_by(self) -> list[str]:
        """Whose approvals stand."""
        return [each.approver for each in self.standing if each.verdict is Action.APPROVED]

    @property
    def rejected_by(self) -> list[str]:
        """Whose rejections stand."""
        return [each.approver for each in self.standing if each.verdict is Action.REJECTED]

    @property
    def until(self) -> datetime | None:
        """When the first approval that stands ends, UTC; None without one."""
        ends = [each.expires_at for each in self.standing if each.expires_at is not None]
        return min(ends, default=None)

    @property
    def state(self) -> State:
        """What it waits for: approvals, or nothing that they could give."""
        if self.obstacle is not None:
            return "blocked"
        if self.rejected_by:
            return "rejected"
        enough = len(self.approved_by) >= self.version.approval.required
        return "approved" if enough else "waiting"


def of(connection: sa.Connection, now: datetime, model: str | None = None) -> list[Waiting]:
    """The open versions of each model, or of one, by model, oldest first.

    Open are those in staging and canary: the newest five of a model, and any older one that
    somebody gave a verdict on.
    """
    found = _open_versions(connection, model)
    if not found:
        return []
    champions = versions.champions(connection)
    judged = _judged(connection, found)
    given = _given(connection, found)
    at = audit.moment(connection, now)
    return [
        waits(
            version,
            judged[version.model, version.artifact_digest],
            given[version.model, version.number],
            champions.get(version.model),
            at,
        )
        for version in found
    ]


def waits(
    version: Version,
    judgements: Sequence[AuditEntry],
    given: Sequence[Approval],
    champion: int | None,
    at: datetime,
) -> Waiting:
    """Where a version stands, from what is on record about it. Pure."""
    authors = gate.authors(version, judgements)
    standing = approvals.standing(given, version, authors, at)
    spoken = {person(each.approver) for each in standing}
    obstacle = None
    try:
        gate.require_standing(version, judgements)
        gate.require_current(version, champion)
    except PromotionRefused as refused:
        obstacle = str(refused)
    return Waiting(
        version=version,
        standing=tuple(standing),
        lapsed=tuple(
            each for each in given
            if _is_over(each, version, at) and person(each.approver) not in spoken
        ),
        may_approve=tuple(n for n in gate.may_approve(version, authors) if person(n) not in spoken),
        obstacle=obstacle,
    )  # fmt: skip


def lapsed(connection: sa.Connection, since: datetime, until: datetime) -> list[Approval]:
    """Approvals whose time ended after `since` and not after `until`, UTC, and nobody revoked."""
    expires = approval_table.c.expires_at
    ended = sa.and_(expires > since, expires <= until)
    return approvals.read(connection, ended, approval_table.c.revoked_in.is_(None))


def _is_over(given: Approval, version: Version, at: datetime) -> bool:
    return (
        given.expires_at is not None
        and given.expires_at <= at
        and given.revoked_in is None
        and given.artifact_digest == version.artifact_digest
        and given.evidence_digest == version.evidence_digest
    )


def _open_versions(connection: sa.Connection, model: str | None) -> list[Version]:
    name, number = version_table.c.model, version_table.c.number
    age = sa.func.row_number().over(partition_by=name, order_by=number.desc())
    ranked = sa.select(name, number, age.label("age")).where(
        version_table.c.stage.in_([Stage.STAGING, Stage.CANARY])
    )
    if model is not None:
        ranked = ranked.where(name == model)
    opened = ranked.subquery()
    spoken_of = sa.exists().where(
        approval_table.c.model == opened.c.model, approval_table.c.number == opened.c.number
    )
    chosen = sa.select(opened.c.model, opened.c.number).where(
        sa.or_(opened.c.age <= _NEWEST, spoken_of)
    )
    return versions.select(connection, sa.tuple_(name, number).in_(chosen))


def _judged(
    connection: sa.Connection, found: Sequence[Version]
) -> dict[tuple[str, str | None], list[AuditEntry]]:
    """What evaluations said of the versions' artefacts, oldest first."""
    digests = sorted({version.artifact_digest for version in found})
    judged: dict[tuple[str, str | None], list[AuditEntry]] = defaultdict(list)
    for entry in audit.read(
        connection,
        audit_log.c.artifact_digest.in_(digests),
        audit_log.c.action.in_([*ACCEPTED, Action.REFUSED]),
    ):
        judged[entry.model, entry.artifact_digest].append(entry)
    return judged


def _given(
    connection: sa.Connection, found: Sequence[Version]
) -> dict[tuple[str, int], list[Approval]]:
    """Every verdict on versions of the same models, oldest first."""
    named = approval_table.c.model.in_(sorted({version.model for version in found}))
    given: dict[tuple[str, int], list[Approval]] = defaultdict(list)
    for approval in approvals.read(connection, named):
        given[approval.model, approval.number].append(approval)
    return given
