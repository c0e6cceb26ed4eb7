"""What the registry hands out: versions, approvals and audit entries."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from resources.registry.identity import Role

Json = dict[str, Any]


class Stage(StrEnum):
    """Where a version stands."""

    STAGING = "staging"
    CANARY = "canary"
    PRODUCTION = "production"
    ARCHIVED = "archived"


class Action(StrEnum):
    """What an audit entry records.

    `REFUSED` is a candidate that failed its gates; `DENIED` is a person's request that the
    registry refused; `BREAK_GLASS` is a promotion without the approvals it needs. `TAKEN_BACK` is
    a version that its rollout archived, `RESTORED` the same version begun again.
    """

    REGISTERED = "registered"
    REEVALUATED = "reevaluated"
    REFUSED = "refused"
    CANARY_STARTED = "canary_started"
    PROMOTED = "promoted"
    ARCHIVED = "archived"
    ROLLED_BACK = "rolled_back"
    WITHDRAWN = "withdrawn"
    TAKEN_BACK = "taken_back"
    RESTORED = "restored"
    APPROVED = "approved"
    REJECTED = "rejected"
    APPROVAL_REVOKED = "approval_revoked"
    BREAK_GLASS = "break_glass"
    DENIED = "denied"
    TOKEN_CREATED = "token_created"
    TOKEN_REVOKED = "token_revoked"
    TRAFFIC_CHANGED = "traffic_changed"
    ROLLOUT_CHANGED = "rollout_changed"
    RETRAINING_REQUESTED = "retraining_requested"
    RETRAINING_DECIDED = "retraining_decided"
    RETRAINING_APPROVED = "retraining_approved"
    RETRAINING_REJECTED = "retraining_rejected"
    RETRAINING_EXPIRED = "retraining_expired"
    RETRAINING_LAUNCHED = "retraining_launched"
    RETRAINING_ENDED = "retraining_ended"
    ALERT_ACKNOWLEDGED = "alert_acknowledged"
    ALERT_SILENCED = "alert_silenced"
    ALERT_UNSILENCED = "alert_unsilenced"


ACCEPTED = (Action.REGISTERED, Action.REEVALUATED)
# What puts a version into production for the first time.
PROMOTIONS = (Action.PROMOTED, Action.BREAK_GLASS)
# What changes the champion.
CORONATIONS = (*PROMOTIONS, Action.ROLLED_BACK)


@dataclass(frozen=True, kw_only=True)
class ApprovalTerms:
    """What a version needs before it may be promoted.

    Attributes:
        required: How many of its approvers must have approved it.
        valid: How long one approval stands.
    """

    required: int = 1
    valid: timedelta = timedelta(days=14)


@dataclass(frozen=True, kw_only=True)
class Version:
    """One registered artefact of a model, as it stands when it is read.

    Attributes:
        model: `team.name`.
        number: 1, 2, 3, ... within the model.
        stage: The stage now, whatever moment the version was asked for.
        artifact_digest: Content address of the artefact folder.
        evidence: The latest passed evaluation.
        evidence_digest: `digest(evidence)` as recorded, so that an edit shows.
        lineage: Code commit, data digests, hyperparameters and so on.
        approvers: Who may approve it for production.
        approval: How many of them must, and for how long an approval stands.
        author: Who made it; never its approver.
        run_id: The run that registered it.
        tags: Free labels.
        created_at: When it was registered, UTC.
    """

    model: str
    number: int
    stage: Stage
    artifact_digest: str
    evidence: Json
    evidence_digest: str
    lineage: Json
    approvers: tuple[str, ...]
    approval: ApprovalTerms
    author: str
    run_id: str
    tags: dict[str, str]
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Approval:
    """One person's verdict on one version's artefact and evidence.

    Attributes:
        id: The audit entry that records it.
        approver: Whose verdict it is.
        role: The approver's role; None where nobody was authenticated.
        verdict: `APPROVED` or `REJECTED`.
        expires_at: Until when an approval stands, UTC; None for a rejection, which stands until
            it is revoked.
        revoked_in: The audit entry that took it back, or None.
    """

    id: int
    model: str
    number: int
    approver: str
    role: Role | None
    verdict: Action
    reason: str
    artifact_digest: str
    evidence_digest: str
    at: datetime
    expires_at: datetime | None
    revoked_in: int | None = None


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a model; `None` where a field does not apply.

    Attributes:
        model: `team.name`, empty for what concerns tokens.
        role: The actor's role; None where nobody was authenticated, so that the name is only
            what the caller said.
        record_digest: Of the row that the entry writes (version, approval, token, traffic table,
            retraining or silence), so that a later edit of the row shows.
    """

    model: str
    action: Action
    actor: str
    reason: str
    version: int | None = None
    from_stage: Stage | None = None
    to_stage: Stage | None = None
    approver: str | None = None
    evidence_digest: str | None = None
    artifact_digest: str | None = None
    run_id: str | None = None
    role: Role | None = None
    record_digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class AuditEntry(Event):
    """An event in the log: numbered from 1 without gaps, timed in UTC, chained by hash."""

    id: int
    at: datetime
    previous_hash: str
    hash: str
