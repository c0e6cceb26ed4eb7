"""Versions that wait for people: who has approved, who may yet, until when it stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from resources.registry import approvals, audit, versions
from resources.registry import evidence as gate
from resources.registry.identity import person
from resources.registry.records import Action, Approval, Stage, Version
from resources.registry.tables import approvals as table
from resources.registry.tables import versions as version_table


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A version on its way to production, and what people have said of it.

    Attributes:
        version: In staging or canary.
        standing: The verdicts that stand, one of each person at most.
        lapsed: Approvals of its present artefact and evidence whose time is over.
        may_approve: Its approvers who have no verdict that stands and did not make it.
        champion: The version in production now; None without one.
    """

    version: Version
    standing: tuple[Approval, ...]
    lapsed: tuple[Approval, ...]
    may_approve: tuple[str, ...]
    champion: int | None

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
    def is_current(self) -> bool:
        """Whether it was evaluated against the version in production now."""
        return self.version.evidence.get("champion_version") == self.champion

    @property
    def is_approved(self) -> bool:
        """Whether as many approved it as it asks for, and nobody rejected it."""
        enough = len(self.approved_by) >= self.version.approval.required
        return enough and not self.rejected_by


def of(connection: sa.Connection, model: str, now: datetime) -> list[Waiting]:
    """A model's versions in staging and canary, oldest first."""
    at = audit.moment(connection, now)
    champion = versions.champion(connection, model)
    number = champion.number if champion else None
    waits = version_table.c.stage.in_([Stage.STAGING.value, Stage.CANARY.value])
    found = versions.select(connection, version_table.c.model == model, waits)
    return [_waiting(connection, version, number, at) for version in found]


def lapsed(connection: sa.Connection, since: datetime, until: datetime) -> list[Approval]:
    """Approvals whose time ended after `since` and not after `until`, UTC, and nobody revoked."""
    ended = sa.and_(table.c.expires_at > since, table.c.expires_at <= until)
    return approvals.read(connection, ended, table.c.revoked_in.is_(None))


def _waiting(
    connection: sa.Connection, version: Version, champion: int | None, at: datetime
) -> Waiting:
    authors = gate.authors(version, audit.judgements(connection, version))
    standing = approvals.verdicts(connection, version, authors, at)
    given = {person(each.approver) for each in standing}
    return Waiting(
        version=version,
        standing=tuple(standing),
        lapsed=tuple(_lapsed(connection, version, standing, at)),
        may_approve=tuple(
            name for name in gate.may_approve(version, authors) if person(name) not in given
        ),
        champion=champion,
    )


def _lapsed(
    connection: sa.Connection, version: Version, standing: Sequence[Approval], at: datetime
) -> list[Approval]:
    again = {person(each.approver) for each in standing}
    return [
        each
        for each in approvals.of(connection, version.model, version.number)
        if each.expires_at is not None
        and each.expires_at <= at
        and each.revoked_in is None
        and each.artifact_digest == version.artifact_digest
        and each.evidence_digest == version.evidence_digest
        and person(each.approver) not in again
    ]
