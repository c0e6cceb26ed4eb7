"""What the registry hands out: versions and audit entries."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

Json = dict[str, Any]


class Stage(StrEnum):
    """Where a version stands."""

    STAGING = "staging"
    CANARY = "canary"
    PRODUCTION = "production"
    ARCHIVED = "archived"


class Action(StrEnum):
    """What an audit entry records. `REEVALUATED` and `REFUSED` move nothing."""

    REGISTERED = "registered"
    REEVALUATED = "reevaluated"
    REFUSED = "refused"
    CANARY_STARTED = "canary_started"
    PROMOTED = "promoted"
    ARCHIVED = "archived"
    ROLLED_BACK = "rolled_back"
    WITHDRAWN = "withdrawn"


ACCEPTED = (Action.REGISTERED, Action.REEVALUATED)


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
    author: str
    run_id: str
    tags: dict[str, str]
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a model; `None` where a field does not apply."""

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


@dataclass(frozen=True, kw_only=True)
class AuditEntry(Event):
    """An event in the log: numbered from 1 without gaps, timed in UTC, chained by hash."""

    id: int
    at: datetime
    previous_hash: str
    hash: str
