"""What the alert book holds: alerts, silences, and the messages that are still to be delivered."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

NOT_WRITTEN = 0  # the id of an alert that the book has not numbered yet


class Severity(StrEnum):
    """How bad it is; P0 is the worst and sorts first."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"


class State(StrEnum):
    """`PENDING` failed, but not in enough windows yet to tell anybody."""

    PENDING = "pending"
    OPEN = "open"
    RESOLVED = "resolved"


class Said(StrEnum):
    """What a message says of its alert."""

    OPENED = "opened"
    ESCALATED = "escalated"
    RESOLVED = "resolved"
    TEST = "test"


@dataclass(frozen=True, kw_only=True)
class Acknowledgement:
    """Who has taken an alert up, when (UTC) and what they said."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Something that is or was wrong, as one thing for as long as it lasts.

    Attributes:
        id: The book's number.
        model: What it is about, `team.name`: a model, or a view or label table upstream.
        kind: What is wrong, such as `drift` or `null_spike`.
        subject: Which part of it, such as a column; empty for the whole.
        severity: How bad it is in the newest window.
        state: Whether anybody is to know of it.
        detail: The numbers, in a sentence.
        affects: The models that suffer from it.
        window: The newest window looked at; windows sort as text.
        failing: Whether it failed in that window.
        before: Windows in a row up to the one before: that failed, or negative, that did not.
        began_at: When the first failing window was seen, UTC.
        opened_at: When it opened, UTC.
        resolved_at: When it was over, UTC.
        told: The worst severity that was told; None: nobody was told, as while it is silenced.
        acknowledged: Who has taken it up.
    """

    id: int
    model: str
    kind: str
    subject: str
    severity: Severity
    state: State
    detail: str
    affects: tuple[str, ...]
    window: str
    failing: bool
    before: int
    began_at: datetime
    opened_at: datetime | None = None
    resolved_at: datetime | None = None
    told: Severity | None = None
    acknowledged: Acknowledgement | None = None

    @property
    def fingerprint(self) -> str:
        """What makes it the same alert as before."""
        return fingerprint(self.model, self.kind, self.subject)

    @property
    def streak(self) -> int:
        """Windows in a row up to the newest: that failed, or negative, that did not."""
        return max(self.before, 0) + 1 if self.failing else min(self.before, 0) - 1


def fingerprint(model: str, kind: str, subject: str) -> str:
    """The identity of an alert: what is wrong with which part of what."""
    return f"{model}/{kind}/{subject}"


@dataclass(frozen=True, kw_only=True)
class Silence:
    """Says nothing of a model's alerts for a while; they open and resolve all the same.

    Attributes:
        id: The audit entry that records it.
        kind: Of alerts; None for any.
        subject: Of alerts; None for any.
        until: When it ends by itself, UTC.
        revoked_in: The audit entry that ended it before, or None.
    """

    id: int
    model: str
    kind: str | None
    subject: str | None
    until: datetime
    reason: str
    made_by: str
    at: datetime
    revoked_in: int | None = None

    def stands(self, at: datetime) -> bool:
        """Whether it was neither ended nor is at its end."""
        return self.revoked_in is None and at < self.until

    def covers(self, alert: Alert) -> bool:
        """Whether the alert is one of those that it is about."""
        return (
            self.model == alert.model
            and self.kind in (None, alert.kind)
            and self.subject in (None, alert.subject)
        )


@dataclass(frozen=True, kw_only=True)
class Step:
    """What becomes of an alert now, and what is to be told of it, if anything."""

    alert: Alert
    says: Said | None = None


@dataclass(frozen=True, kw_only=True)
class Message:
    """What is told of an alert, as it stood when it was to be told."""

    says: Said
    alert: Alert
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A message on its way to one sink.

    Attributes:
        id: The same at every attempt, so that a receiver can tell a repetition.
        attempts: How often it was tried.
        error: Why the last attempt failed.
        due: When it is tried next, UTC.
    """

    id: int
    sink: str
    message: Message
    attempts: int
    due: datetime
    error: str | None = None
