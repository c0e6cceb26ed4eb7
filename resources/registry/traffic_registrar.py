"""Changes of a model's traffic table: shares, shadows and overrides, each on record."""

from contextlib import AbstractContextManager

from resources.registry import traffic, traffic_moves
from resources.registry.desk import Granted, Request, require_stated
from resources.registry.errors import TrafficRefused
from resources.registry.identity import Role
from resources.registry.registrar import Registrar
from resources.registry.traffic_table import CANARY, TrafficTable

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
        what = f"{variant} at {share_percent:g}%"
        with self._granted(what, actor, reason, model, version) as granted:
            return traffic_moves.place(
                granted, model, version, share_percent, variant=variant, reason=reason
            )

    def end_arm(self, model: str, variant: str, *, reason: str, actor: str = "") -> TrafficTable:
        """Give an arm's units back to the champion; its version stays a canary.

        Raises:
            TrafficRefused: There is no such arm.
        """
        with self._granted(f"end of {variant}", actor, reason, model, None) as granted:
            return traffic_moves.end(granted, model, variant, reason=reason)

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
            return traffic_moves.shadow(granted, model, version, on, reason=reason)

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
            return traffic_moves.write(granted, before, told, None, overrides=overrides)

    def clear_traffic(self, model: str, *, reason: str, actor: str = "") -> TrafficTable:
        """End every arm, shadow and override. The salt stays, the canaries stay canaries.

        A table that contradicts itself is replaced by an empty one.
        """
        with self._granted("clearing the traffic", actor, reason, model, None) as granted:
            before = traffic.repaired(granted.connection, model)
            told = f"all to the champion: {reason}"
            return traffic_moves.write(
                granted, before, told, None, arms=(), shadows=(), overrides={}
            )


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
