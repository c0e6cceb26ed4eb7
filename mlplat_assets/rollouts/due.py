"""Whether a rollout is worth a look: cheap, without the lake. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from mlplat_assets.rollout_spec import Rollout
from resources.registry.rollout_record import RolloutRecord, RolloutState

# A look is a run, which costs seconds of a processor whatever it finds.
BETWEEN_LOOKS = timedelta(seconds=30)
# Labels land by the day.
BETWEEN_LATE_LOOKS = timedelta(hours=1)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What there was when the last look was asked for.

    Attributes:
        at: When that was, UTC.
        audit: The model's newest audit entry.
        journal: Bytes of its journals.
    """

    at: datetime
    audit: int
    journal: int


@dataclass(frozen=True, kw_only=True)
class Now:
    """What there is, as `Seen`; `begins` is the version that waits for a rollout, or None."""

    at: datetime
    audit: int
    journal: int
    begins: int | None

    @property
    def seen(self) -> Seen:
        """To be remembered."""
        return Seen(at=self.at, audit=self.audit, journal=self.journal)


def why_due(record: RolloutRecord | None, plan: Rollout, seen: Seen | None, now: Now) -> str:
    """Why to look now; empty where nothing can have changed.

    Args:
        record: The model's last rollout.
        plan: As declared.
        seen: At the last look; None before the first.
        now: What there is now.
    """
    if now.begins is not None and _is_news(seen, now):
        return f"version {now.begins} was registered"
    if record is None:
        return ""
    if not record.is_open:
        return _late(record, plan, seen, now)
    if seen is None:
        return "not looked at yet"
    if seen.audit < now.audit:
        return "somebody decided something"
    if now.at - seen.at < BETWEEN_LOOKS:
        return ""
    if seen.journal < now.journal:
        return "new predictions"
    least = plan.shadow_time if record.state is RolloutState.SHADOW else plan.step_time
    return "the least time is over" if seen.at < record.leg.since + least <= now.at else ""


def _is_news(seen: Seen | None, now: Now) -> bool:
    """Whether anything was decided since, or a run that should have begun it failed long ago."""
    return seen is None or seen.audit < now.audit or now.at - seen.at >= BETWEEN_LATE_LOOKS


def _late(record: RolloutRecord, plan: Rollout, seen: Seen | None, now: Now) -> str:
    if record.state is not RolloutState.COMPLETE or now.at - record.leg.since > plan.reopened:
        return ""
    waited = seen is None or now.at - seen.at >= BETWEEN_LATE_LOOKS
    return "labels may have landed" if waited else ""
