"""What a request to retrain a model is, and how it stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

Json = dict[str, Any]


class RetrainingState(StrEnum):
    """How a request stands.

    `REQUESTED` was asked for by a person and is not judged yet, `PENDING` waits for an approver,
    `APPROVED` for its run, `LAUNCHED` for the end of it.
    """

    REQUESTED = "requested"
    SKIPPED = "skipped"
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    LAUNCHED = "launched"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


# What something is still to come of.
OPEN = (
    RetrainingState.REQUESTED,
    RetrainingState.PENDING,
    RetrainingState.APPROVED,
    RetrainingState.LAUNCHED,
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What asks for a retraining, and for which of its states.

    Attributes:
        model: `team.name`.
        trigger: The kind: `drift`, `decay`, `concept_drift`, `stale`, `schedule` or `by_hand`.
        columns: The drifted columns, by name; none for other kinds.
        reference: The version that serves, and that the trigger is about; None without one.
        episode: When or where it began, in words that stay the same as long as it lasts.
        told: What happened, in a sentence.
        requested_by: Who asked, for `by_hand`.
        fingerprint: Digest of model, trigger, columns and reference.
    """

    model: str
    trigger: str
    columns: tuple[str, ...] = ()
    reference: int | None = None
    episode: str
    told: str
    requested_by: str = ""
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the governor says of a request.

    Attributes:
        state: SKIPPED, PENDING or APPROVED.
        outcome: Why, as one word: `duplicate`, `data_quality`, `under_way`, `cooldown`, `budget`,
            `would_not_help`, `needs_approval` or `due`.
        reason: Why, in a sentence with its numbers.
        evidence: What was looked at.
        approvers: Who may approve, for PENDING.
        waits_for: How long a PENDING request waits before it expires.
        again_at: When a skipped request is looked at again, UTC; None: by its outcome.
    """

    state: RetrainingState
    outcome: str
    reason: str
    evidence: Json = field(default_factory=dict)
    approvers: tuple[str, ...] = ()
    waits_for: timedelta | None = None
    again_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Retraining:
    """A request in one of the states that it was in.

    Attributes:
        id: The audit entry that records this state.
        request: The number of the request: the entry of its first state.
        at: Since when it is in this state, UTC.
        asked: What asked for it.
        asked_at: When, UTC.
        outcome: Why it is in this state, as one word.
        reason: The same in a sentence.
        evidence: What the governor looked at.
        approvers: Who may approve it.
        approver: Who approved or rejected it.
        expires_at: Until when it waits for an approval, UTC.
        again_at: When a skipped one is looked at again, UTC.
        launched_at: When its run was launched, UTC.
        run_id: The run that retrains.
    """

    id: int
    request: int
    state: RetrainingState
    at: datetime
    asked: Asked
    asked_at: datetime
    outcome: str = ""
    reason: str = ""
    evidence: Json = field(default_factory=dict)
    approvers: tuple[str, ...] = ()
    approver: str = ""
    expires_at: datetime | None = None
    again_at: datetime | None = None
    launched_at: datetime | None = None
    run_id: str = ""

    @property
    def model(self) -> str:
        """`team.name`."""
        return self.asked.model

    @property
    def is_open(self) -> bool:
        """Whether something is still to come of it."""
        return self.state in OPEN


_MOMENTS = ("asked_at", "expires_at", "again_at", "launched_at")


def document_of(retraining: Retraining) -> Json:
    """Everything of a request that has no column of its own, as JSON."""
    asked = dict(vars(retraining.asked)) | {"columns": list(retraining.asked.columns)}
    moments = {name: getattr(retraining, name) for name in _MOMENTS}
    return {
        "asked": asked,
        "outcome": retraining.outcome,
        "reason": retraining.reason,
        "evidence": retraining.evidence,
        "approvers": list(retraining.approvers),
        "approver": retraining.approver,
        "run_id": retraining.run_id,
        **{name: at and at.isoformat() for name, at in moments.items()},
    }


def retraining_of(row: Mapping[str, Any]) -> Retraining:
    """A request from its row."""
    document = dict(row["document"])
    asked = document.pop("asked")
    asked["columns"] = tuple(asked["columns"])
    document["approvers"] = tuple(document["approvers"])
    for name in _MOMENTS:
        document[name] = document[name] and datetime.fromisoformat(document[name])
    return Retraining(
        id=row["id"],
        request=row["request"],
        state=RetrainingState(row["state"]),
        at=row["at"],
        asked=Asked(**asked),
        **document,
    )
