"""What to do with a rollout now: hold, go on, wait, promote, take back. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mlplat_assets.rollout_spec import Rollout
from mlplat_assets.rollouts.evidence import Evidence
from resources.registry.promotions import Obstacles
from resources.registry.rollout_record import ALL_UNITS, RolloutRecord, RolloutState


class Move(StrEnum):
    """What is done.

    `COMPLETE` is the step to all units, `FOLLOW` puts on record what people did meanwhile.
    """

    HOLD = "hold"
    ADVANCE = "advance"
    WAIT = "wait"
    COMPLETE = "complete"
    ROLL_BACK = "roll back"
    FOLLOW = "follow"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A move, and why in numbers."""

    move: Move
    reason: str


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the registry says beside the rollout's record.

    Attributes:
        champion: The version in production.
        in_place: Whether the traffic is what the rollout's last step made it.
        obstacles: What stands in the way of a promotion.
    """

    champion: int | None
    in_place: bool
    obstacles: Obstacles


def decide(
    record: RolloutRecord, standing: Standing, evidence: Evidence, now: datetime, plan: Rollout
) -> Decision:
    """The next move of a rollout that is open, or complete and not settled yet.

    A version that is surely worse is taken back at any time; it goes on by one step at most, and
    only after the least time and the fewest units. Units that do not arrive in their shares hold
    it: the comparison is none, which is not the version's fault.

    Args:
        record: The rollout as it stands.
        standing: Of the same moment.
        evidence: All that is known by now.
        now: UTC.
        plan: As declared; the shares are the record's own.
    """
    if record.is_open and (foreign := _foreign(record, standing)):
        return Decision(move=Move.FOLLOW, reason=foreign)
    if evidence.violated:
        told = "; ".join(each.told for each in evidence.violated)
        return Decision(move=Move.ROLL_BACK, reason=told)
    if not record.is_open:
        return Decision(move=Move.HOLD, reason="complete; labels that land late agree so far")
    if standing.obstacles.readiness:
        return Decision(move=Move.ROLL_BACK, reason=standing.obstacles.readiness)
    if record.frozen:
        return Decision(move=Move.HOLD, reason=f"frozen: {record.reason}")
    if evidence.arrivals is not None and evidence.arrivals.is_broken:
        told = f"{evidence.arrivals.told}; find what loses or moves units, or advance by hand"
        return Decision(move=Move.HOLD, reason=told)
    if lacking := _lacking(record, evidence, now, plan):
        return Decision(move=Move.HOLD, reason=lacking)
    return _onward(record, standing, evidence, now)


def _onward(
    record: RolloutRecord, standing: Standing, evidence: Evidence, now: datetime
) -> Decision:
    share = record.next_share
    passed = f"{evidence.units:,} units in {_span(now - record.leg.since)} within the guardrails"
    if share < ALL_UNITS:
        return Decision(move=Move.ADVANCE, reason=f"{passed}: on to {share:g}%")
    if missing := standing.obstacles.approval:
        waits = record.state is RolloutState.WAITING
        return Decision(move=Move.HOLD if waits else Move.WAIT, reason=missing)
    return Decision(move=Move.COMPLETE, reason=f"{passed}: to all units")


def _foreign(record: RolloutRecord, standing: Standing) -> str:
    """What a person did to the model while it was rolled out; empty if nothing."""
    if standing.champion == record.version:
        return f"version {record.version} was promoted by hand"
    if not standing.in_place:
        return "somebody else changed the traffic of the version; it stays as they set it"
    return ""


def _lacking(record: RolloutRecord, evidence: Evidence, now: datetime, plan: Rollout) -> str:
    is_shadow = record.state is RolloutState.SHADOW
    time = plan.shadow_time if is_shadow else plan.step_time
    units = plan.shadow_pairs if is_shadow else plan.step_units
    what = "pairs" if is_shadow else "units"
    passed = now - record.leg.since
    lacking = []
    if passed < time:
        lacking.append(f"{_span(passed)} of {_span(time)}")
    if evidence.units < units:
        lacking.append(f"{evidence.units:,} of {units:,} {what}")
    where = "as a shadow" if is_shadow else f"at {record.leg.share:g}%"
    return f"{' and '.join(lacking)} {where}" if lacking else ""


def _span(span: timedelta) -> str:
    seconds = round(span.total_seconds())
    for name, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds} s"
