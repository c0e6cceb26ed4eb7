"""Moves of a model's units between versions, in a transaction that somebody else opened."""

import msgspec

from resources.registry import audit, history, traffic, transitions, versions
from resources.registry import evidence as gate
from resources.registry.allocation import SharesExceeded, allocate, buckets_of_percent, size_of
from resources.registry.desk import Granted
from resources.registry.errors import TrafficInvalid, TrafficRefused
from resources.registry.records import Action, Event, Stage, Version
from resources.registry.traffic_table import CANARY, Arm, TrafficTable, require_valid
from resources.registry.transitions import Decision


def place(
    granted: Granted,
    model: str,
    version: int,
    share_percent: float,
    *,
    reason: str,
    variant: str = CANARY,
) -> TrafficTable:
    """Let a version answer a share of the units; a staged one becomes a canary.

    Raises:
        UnknownVersion: There is no such version.
        PromotionRefused: TrafficRefused, TransitionRefused or GateRefused.
        ValueError: The share is no share.
    """
    buckets = buckets_of_percent(share_percent)
    found = versions.find(granted.connection, model, version)
    before = traffic.current(granted.connection, model)
    _require_free(before, found, variant)
    _ready(granted, found, reason)
    arms = {arm.variant: arm.ranges for arm in before.traffic.arms}
    sizes = {name: size_of(ranges) for name, ranges in arms.items()} | {variant: buckets}
    try:
        allocated = allocate(arms, sizes)
    except SharesExceeded as error:
        raise TrafficRefused(str(error)) from error
    numbers = {arm.variant: arm.version for arm in before.traffic.arms} | {variant: version}
    after = tuple(
        Arm(variant=name, version=numbers[name], ranges=ranges)
        for name, ranges in allocated.items()
    )
    told = f"version {version} as {variant}, {share_percent:g}%: {reason}"
    return write(granted, before, told, version, arms=after)


def end(granted: Granted, model: str, variant: str, *, reason: str) -> TrafficTable:
    """Give an arm's units back to the champion.

    Raises:
        TrafficRefused: There is no such arm.
    """
    before = traffic.current(granted.connection, model)
    ended = [arm for arm in before.traffic.arms if arm.variant == variant]
    if not ended:
        names = ", ".join(arm.variant for arm in before.traffic.arms) or "none"
        raise TrafficRefused(f"{model} has no arm {variant!r}; it has {names}")
    kept = tuple(arm for arm in before.traffic.arms if arm.variant != variant)
    overrides = {u: to for u, to in before.traffic.overrides.items() if to != variant}
    told = f"end of {variant}: {reason}"
    return write(granted, before, told, ended[0].version, arms=kept, overrides=overrides)


def shadow(granted: Granted, model: str, version: int, on: bool, *, reason: str) -> TrafficTable:
    """Let a version see what is answered without answering, or let it no longer.

    Raises:
        UnknownVersion: There is no such version.
        TrafficRefused: It is archived or the champion.
    """
    found = versions.find(granted.connection, model, version)
    before = traffic.current(granted.connection, model)
    if on and found.stage in (Stage.ARCHIVED, Stage.PRODUCTION):
        raise TrafficRefused(
            f"{model} version {version} is in {found.stage} and cannot be a shadow; "
            "one in staging or canary can"
        )
    others = tuple(each for each in before.traffic.shadows if each != version)
    told = f"version {version} {'as shadow' if on else 'no shadow any more'}: {reason}"
    shadows = tuple(sorted((*others, version))) if on else others
    return write(granted, before, told, version, shadows=shadows)


def take_out(granted: Granted, model: str, version: int, *, reason: str) -> TrafficTable:
    """Take a version out of the table, arm and shadow; its units are the champion's.

    A table without it stays as it is, and one that contradicts itself is replaced by an empty one.
    """
    before = traffic.repaired(granted.connection, model)
    after = before.traffic.without(version)
    told = f"version {version} answers nobody: {reason}"
    return write(
        granted, before, told, version, arms=after.arms, shadows=after.shadows,
        overrides=after.overrides,
    )  # fmt: skip


def take_back(granted: Granted, model: str, version: int, *, reason: str) -> None:
    """Take a version out of the table, and archive it where it still was on its way.

    Nobody can approve or promote it then. One that a person promoted or withdrew meanwhile stays
    in its stage.
    """
    take_out(granted, model, version, reason=reason)
    found = versions.find(granted.connection, model, version)
    if found.stage in (Stage.STAGING, Stage.CANARY):
        decision = Decision(by=granted.by, reason=reason, at=granted.at)
        transitions.move(granted.connection, found, Action.TAKEN_BACK, decision)


def restore(granted: Granted, model: str, version: int, *, reason: str) -> None:
    """Put a version that was taken back into staging again; any other stays where it is."""
    if history.is_taken_back(granted.connection, model, version):
        found = versions.find(granted.connection, model, version)
        decision = Decision(by=granted.by, reason=reason, at=granted.at)
        transitions.move(granted.connection, found, Action.RESTORED, decision)


def _require_free(before: TrafficTable, version: Version, variant: str) -> None:
    """Refuse an arm without a champion to take from, or of a version or variant that has one."""
    subject = f"{version.model} version {version.number}"
    if before.champion is None:
        raise TrafficRefused(f"{version.model} has no version in production; promote one first")
    if version.stage not in (Stage.STAGING, Stage.CANARY):
        raise TrafficRefused(
            f"{subject} is in {version.stage} and cannot be an arm; one in staging or canary can"
        )
    for arm in before.traffic.arms:
        if (arm.variant == variant) is not (arm.version == version.number):
            raise TrafficRefused(
                f"{arm.variant!r} is version {arm.version} already, {subject} cannot be "
                f"{variant!r}: end that arm first, or use another name"
            )


def _ready(granted: Granted, version: Version, reason: str) -> None:
    """Hold an arm's version to its gates, and make a staged one a canary."""
    gate.require_standing(version, audit.judgements(granted.connection, version))
    if version.stage is Stage.STAGING:
        decision = Decision(by=granted.by, reason=reason, at=granted.at)
        transitions.move(granted.connection, version, Action.CANARY_STARTED, decision)


def write(
    granted: Granted, before: TrafficTable, told: str, version: int | None, **changes: object
) -> TrafficTable:
    """The next revision with these changes; the one there is when they change nothing."""
    after = msgspec.structs.replace(before.traffic, **changes)
    if after == before.traffic and _is_written(granted, before):
        return traffic.current(granted.connection, before.model)
    if before.revision == traffic.NO_TABLE:
        after = msgspec.structs.replace(after, salt=traffic.new_salt())
    try:
        require_valid(after)
    except TrafficInvalid as error:
        raise TrafficRefused(str(error)) from error
    event = Event(
        model=before.model,
        version=version,
        action=Action.TRAFFIC_CHANGED,
        actor=granted.by.name,
        role=granted.by.role,
        reason=told,
    )
    return traffic.append(granted.connection, before, after, event, granted.at)


def _is_written(granted: Granted, before: TrafficTable) -> bool:
    try:
        return traffic.current(granted.connection, before.model) == before
    except TrafficInvalid:
        return False
