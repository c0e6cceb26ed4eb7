"""What is on record of a rollout: how far a version has come, and by which legs."""

from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from resources.registry.records import Json


class RolloutState(StrEnum):
    """Where a rollout stands.

    `WAITING` lacks approvals for the last step. The last four are ends: `ROLLED_BACK` by evidence,
    `ABORTED` by a person or by what a person did, `REPLACED` by a newer version.
    """

    SHADOW = "shadow"
    CANARY = "canary"
    WAITING = "waiting"
    COMPLETE = "complete"
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"
    REPLACED = "replaced"


OPEN = (RolloutState.SHADOW, RolloutState.CANARY, RolloutState.WAITING)
ALL_UNITS = 100.0
NEVER = datetime.min.replace(tzinfo=UTC)


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time with one share, in percent: 0 of a shadow, 100 of the champion.

    `until` is None of the present one. Both are UTC.
    """

    share: float
    since: datetime
    until: datetime | None = None


class RolloutRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout as it stands after a step.

    Attributes:
        model: `team.name`.
        number: 1, 2, 3, ... within the model.
        version: What is rolled out.
        champion: The version that it is held against.
        shares: Percent of the units at each step, rising, 100 last: set when it began.
        frozen: Whether it may not go on.
        legs: Every share that it has had, the present one last.
        reason: Of the last step.
        evidence: Numbers that the last step was decided on.
        id: The audit entry of the last step.
        at: When that was, UTC.
    """

    model: str
    number: int
    version: int
    champion: int
    shares: tuple[float, ...]
    state: RolloutState
    legs: tuple[Leg, ...]
    frozen: bool = False
    reason: str = ""
    evidence: Json = {}
    id: int = 0
    at: datetime = NEVER

    @property
    def is_open(self) -> bool:
        """Whether it can still come to all units."""
        return self.state in OPEN

    @property
    def leg(self) -> Leg:
        """The present one, or the last."""
        return self.legs[-1]

    @property
    def next_share(self) -> float:
        """What the version would answer after one more step, in percent."""
        return next((share for share in self.shares if share > self.leg.share), ALL_UNITS)

    def onward(self, share: float, at: datetime) -> tuple[Leg, ...]:
        """The legs after the share changed."""
        return (*self.ended(at), Leg(share=share, since=at))

    def ended(self, at: datetime) -> tuple[Leg, ...]:
        """The legs after the present one ended; one that has ended stays as it is."""
        if self.leg.until is not None:
            return self.legs
        return (*self.legs[:-1], msgspec.structs.replace(self.leg, until=at))
