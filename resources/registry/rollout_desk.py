"""Moving a rollout: the traffic, the rollout's row and the audit entries in one transaction."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from resources.registry import promotions, rollouts, traffic_moves, versions
from resources.registry.database import Database
from resources.registry.desk import Desk, Granted, Request, require_stated
from resources.registry.errors import RolloutMoved, RolloutRefused
from resources.registry.identity import Role
from resources.registry.records import Action, Event, Json, Stage
from resources.registry.rollout_record import ALL_UNITS, Leg, RolloutRecord, RolloutState

Changes = Callable[[Granted], dict[str, object]]


class RolloutDesk:
    """Rollouts of versions, one at a time for each model. Every move needs an approver.

    A move names the rollout as its caller read it. Where somebody moved it since, RolloutMoved is
    raised and nothing is changed; so two controllers move it once, and a death in the middle of a
    move leaves it where it was.
    """

    def __init__(self, database: Database, desk: Desk) -> None:
        self._database = database
        self._desk = desk

    def newest(self) -> list[RolloutRecord]:
        """The last rollout of every model that had one, by model."""
        with self._database.reading() as connection:
            return rollouts.newest(connection)

    def last(self, model: str) -> RolloutRecord | None:
        """The model's last rollout, open or ended."""
        with self._database.reading() as connection:
            return next(iter(rollouts.newest(connection, model)), None)

    def rolled_back(self) -> list[RolloutRecord]:
        """The last rollout of every model that evidence took back, as it ended, by model."""
        with self._database.reading() as connection:
            return rollouts.rolled_back(connection)

    def history(self, model: str) -> list[RolloutRecord]:
        """Every step of the model's rollouts, oldest first."""
        with self._database.reading() as connection:
            return rollouts.history(connection, model)

    def begin(
        self, model: str, version: int, shares: Sequence[float], *, reason: str, actor: str = ""
    ) -> RolloutRecord:
        """Let a version be a shadow, the first leg of its rollout.

        Args:
            model: `team.name`.
            version: One in staging or canary, or one that a rollout took back.
            shares: Percent of the units at each step, rising; 100 is added where it is missing.
            reason: Why.
            actor: Who acts, while the registry has no tokens.

        Raises:
            RolloutRefused: Another rollout is open, or there is no champion to take units from.
            TrafficRefused: The version is the champion, or archived by anything but a rollout.
        """
        steps = (*(share for share in shares if share < ALL_UNITS), ALL_UNITS)
        with self._granted("a rollout", model, version, reason, actor) as granted:
            before = next(iter(rollouts.newest(granted.connection, model)), None)
            if before is not None and before.is_open:
                raise RolloutRefused(
                    f"version {before.version} of {model} is being rolled out "
                    f"({before.state}, {before.leg.share:g}%); abort that first"
                )
            champion = versions.champion(granted.connection, model)
            if champion is None:
                raise RolloutRefused(f"{model} has no version in production; promote one first")
            traffic_moves.restore(granted, model, version, reason=reason)
            traffic_moves.shadow(granted, model, version, True, reason=reason)
            record = RolloutRecord(
                model=model,
                number=1 + (before.number if before else 0),
                version=version,
                champion=champion.number,
                shares=steps,
                state=RolloutState.SHADOW,
                legs=(Leg(share=0, since=granted.at),),
            )
            return self._append(granted, record, reason, {})

    def advance(
        self, before: RolloutRecord, *, reason: str, evidence: Json | None = None, actor: str = ""
    ) -> RolloutRecord:
        """The next share, which with 100% is the promotion.

        Raises:
            RolloutMoved: It is not as it was read.
            RolloutRefused: It has ended.
            PromotionRefused: What `set_share` and `promote` refuse.
        """

        def changes(granted: Granted) -> dict[str, object]:
            _require_open(before)
            share, model, version = before.next_share, before.model, before.version
            if share < ALL_UNITS:
                traffic_moves.shadow(granted, model, version, False, reason=reason)
                traffic_moves.place(granted, model, version, share, reason=reason)
                state = RolloutState.CANARY
            else:
                promotions.promote(granted, model, version, reason)
                state = RolloutState.COMPLETE
            return {"state": state, "legs": before.onward(share, granted.at)}

        what = f"a rollout to {before.next_share:g}%"
        return self._move(before, what, reason, actor, evidence, changes)

    def wait(
        self, before: RolloutRecord, *, reason: str, evidence: Json | None = None, actor: str = ""
    ) -> RolloutRecord:
        """Stay at the present share until the approvals for all units are there."""

        def changes(granted: Granted) -> dict[str, object]:
            _require_open(before)
            return {"state": RolloutState.WAITING}

        return self._move(before, "a rollout's wait", reason, actor, evidence, changes)

    def freeze(
        self, before: RolloutRecord, on: bool, *, reason: str, actor: str = ""
    ) -> RolloutRecord:
        """Let it not go on, or go on again; a guardrail takes back a frozen one too."""

        def changes(granted: Granted) -> dict[str, object]:
            _require_open(before)
            return {"frozen": on}

        what = "freezing a rollout" if on else "resuming a rollout"
        return self._move(before, what, reason, actor, before.evidence, changes)

    def end(
        self,
        before: RolloutRecord,
        state: RolloutState,
        *,
        reason: str,
        evidence: Json | None = None,
        actor: str = "",
    ) -> RolloutRecord:
        """Give every unit back to the champion; a version that is the champion gives way again.

        A version that is taken back is archived. One that is replaced keeps its stage: nothing
        was said against it.

        Raises:
            RolloutMoved: It is not as it was read.
            TransitionRefused: It was complete, and its version is not the champion any more.
        """

        def changes(granted: Granted) -> dict[str, object]:
            if before.state is RolloutState.COMPLETE:
                _give_way(granted, before, reason)
            else:
                _require_open(before)
                replaced = state is RolloutState.REPLACED
                leave = traffic_moves.take_out if replaced else traffic_moves.take_back
                leave(granted, before.model, before.version, reason=reason)
            return {"state": state, "legs": before.ended(granted.at), "frozen": False}

        return self._move(before, "a rollout's end", reason, actor, evidence, changes)

    def follow(self, before: RolloutRecord, *, reason: str, actor: str = "") -> RolloutRecord:
        """Put on record where people took the model meanwhile; the traffic stays as they set it."""

        def changes(granted: Granted) -> dict[str, object]:
            _require_open(before)
            found = versions.find(granted.connection, before.model, before.version)
            if found.stage is Stage.PRODUCTION:
                legs = before.onward(ALL_UNITS, granted.at)
                return {"state": RolloutState.COMPLETE, "legs": legs, "frozen": False}
            return {
                "state": RolloutState.ABORTED, "legs": before.ended(granted.at), "frozen": False,
            }  # fmt: skip

        return self._move(before, "a rollout's end", reason, actor, before.evidence, changes)

    def _move(
        self, before: RolloutRecord, what: str, reason: str, actor: str, evidence: Json | None,
        changes: Changes,
    ) -> RolloutRecord:  # fmt: skip
        with self._granted(what, before.model, before.version, reason, actor) as granted:
            now = next(iter(rollouts.newest(granted.connection, before.model)), None)
            if now is None or now.id != before.id:
                raise RolloutMoved(
                    f"the rollout of {before.model} was moved since it was read: "
                    f"{f'{now.state}, {now.reason}' if now else 'it is gone'}; look again"
                )
            after = msgspec.structs.replace(before, **changes(granted))
            return self._append(granted, after, reason, evidence or {})

    def _append(
        self, granted: Granted, record: RolloutRecord, reason: str, evidence: Json
    ) -> RolloutRecord:
        share = "shadow" if record.leg.share == 0 else f"{record.leg.share:g}%"
        frozen = ", frozen" if record.frozen else ""
        event = Event(
            model=record.model,
            version=record.version,
            action=Action.ROLLOUT_CHANGED,
            actor=granted.by.name,
            role=granted.by.role,
            reason=f"rollout {record.number}, {record.state} ({share}{frozen}): {reason}",
        )
        told = msgspec.structs.replace(record, reason=reason, evidence=evidence)
        return rollouts.append(granted.connection, told, event, granted.at)

    @contextmanager
    def _granted(
        self, what: str, model: str, version: int, reason: str, actor: str
    ) -> Iterator[Granted]:
        require_stated(reason=reason)
        asked = Request(what=what, role=Role.APPROVER, actor=actor, model=model, number=version)
        with self._desk.granted(asked) as granted:
            yield granted


def _require_open(record: RolloutRecord) -> None:
    if not record.is_open:
        raise RolloutRefused(
            f"rollout {record.number} of {record.model} has ended ({record.state}: "
            f"{record.reason}); begin another"
        )


def _give_way(granted: Granted, record: RolloutRecord, reason: str) -> None:
    champion = versions.champion(granted.connection, record.model)
    if champion is None or champion.number != record.version:
        raise RolloutRefused(
            f"version {record.version} of {record.model} is not the champion any more, "
            f"{f'version {champion.number}' if champion else 'nothing'} is; nothing to take back"
        )
    promotions.return_to(granted, record.model, record.champion, reason)
