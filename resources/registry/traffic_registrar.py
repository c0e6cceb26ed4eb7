"""Changes of a model's traffic table: shares, shadows and overrides, each on record."""

from contextlib import AbstractContextManager

import msgspec

from resources.registry import audit, traffic, transitions, versions
from resources.registry import evidence as gate
from resources.registry.allocation import SharesExceeded, allocate, buckets_of_percent, size_of
from resources.registry.desk import Granted, Request, require_stated
from resources.registry.errors import TrafficInvalid, TrafficRefused
from resources.registry.identity import Role
from resources.registry.records import Action, Event, Stage, Version
from resources.registry.registrar import Registrar
from resources.registry.traffic_table import CANARY, Arm, TrafficTable, require_valid
from resources.registry.transitions import Decision

_UNIT_ID = 1000


class TrafficRegistrar(Registrar):
    """Moves units between versions. Each change needs an approver, and is a new revision.

    What changes nothing writes nothing. A change that makes no table raises TrafficRefused.
    """

    def _granted(
        self,
        what: str,
        actor: str,
        reason: str,
        model: str,
        number: int | None,
        role: Role = Role.APPROVER,
    ) -> AbstractContextManager[Granted]:
        require_stated(reason=reason)
        asked = Request(what=what, role=role, actor=actor, model=model, number=number)
        return self._desk.granted(asked)

    def set_share(
        self,
        model: str,
        version: int,
        share_percent: float,
        *,
        variant: str = CANARY,
        reason: str,
        actor: str = "",
    ) -> TrafficTable:
        """Let a version answer a share of the units; the other arms keep all of theirs.

        A staged version becomes a canary in the same transaction. A share of 0 keeps the arm, for
        testers by override.

        Args:
            model: `team.name`.
            version: One in staging or canary, whose gates stand.
            share_percent: From 0 to 100, a multiple of 0.01.
            variant: The arm's name: one version each.
            reason: Why.
            actor: Who acts, while the registry has no tokens.

        Raises:
            UnknownVersion: There is no such version.
            PromotionRefused: TrafficRefused, TransitionRefused or GateRefused.
            ValueError: The share is no share.
        """
        buckets = buckets_of_percent(share_percent)
        what = f"{variant} at {share_percent:g}%"
        with self._granted(what, actor, reason, model, version) as granted:
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
            return _write(granted, before, told, version, arms=after)

    def end_arm(self, model: str, variant: str, *, reason: str, actor: str = "") -> TrafficTable:
        """Give an arm's units back to the champion; its version stays a canary.

        Raises:
            TrafficRefused: There is no such arm.
        """
        with self._granted(f"end of {variant}", actor, reason, model, None) as granted:
            before = traffic.current(granted.connection, model)
            ended = [arm for arm in before.traffic.arms if arm.variant == variant]
            if not ended:
                names = ", ".join(arm.variant for arm in before.traffic.arms) or "none"
                raise TrafficRefused(f"{model} has no arm {variant!r}; it has {names}")
            kept = tuple(arm for arm in before.traffic.arms if arm.variant != variant)
            overrides = {u: to for u, to in before.traffic.overrides.items() if to != variant}
            told = f"end of {variant}: {reason}"
            version = ended[0].version
            return _write(granted, before, told, version, arms=kept, overrides=overrides)

    def set_shadow(
        self, model: str, version: int, on: bool, *, reason: str, actor: str = ""
    ) -> TrafficTable:
        """Let a version see what is answered without answering, or let it no longer.

        Raises:
            UnknownVersion: There is no such version.
            TrafficRefused: It is archived or the champion.
        """
        what = "shadow" if on else "end of a shadow"
        with self._granted(what, actor, reason, model, version) as granted:
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
            return _write(granted, before, told, version, shadows=shadows)

    def set_override(
        self, model: str, unit_id: str, variant: str | None, *, reason: str, actor: str = ""
    ) -> TrafficTable:
        """Give one unit a variant whatever its bucket, or with None its bucket's again.

        Raises:
            TrafficRefused: The model has no such variant, or the unit id is empty or too long.
        """
        with self._granted("override", actor, reason, model, None) as granted:
            before = traffic.current(granted.connection, model)
            if not 0 < len(unit_id) <= _UNIT_ID or not _is_unicode(unit_id):
                raise TrafficRefused(f"unit id {unit_id[:50]!r} is none; write 1 to 1,000 letters")
            overrides = dict(before.traffic.overrides)
            overrides.pop(unit_id, None)
            if variant is not None:
                overrides[unit_id] = variant
            told = f"a unit's override to {variant or 'its bucket'}: {reason}"
            return _write(granted, before, told, None, overrides=overrides)

    def clear_traffic(self, model: str, *, reason: str, actor: str = "") -> TrafficTable:
        """End every arm, shadow and override. The salt stays, the canaries stay canaries.

        A table that contradicts itself is replaced by an empty one.
        """
        with self._granted("clearing the traffic", actor, reason, model, None) as granted:
            before = traffic.repaired(granted.connection, model)
            told = f"all to the champion: {reason}"
            return _write(granted, before, told, None, arms=(), shadows=(), overrides={})


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


def _write(
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


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
