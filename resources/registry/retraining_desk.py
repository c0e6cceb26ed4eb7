"""Where retrainings are asked for, judged, approved and followed to their end."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from resources.registry import retrainings
from resources.registry.database import Database
from resources.registry.desk import Desk, Granted, Request, require_model, require_stated
from resources.registry.errors import ApproverRefused, TransitionRefused
from resources.registry.identity import Role, person
from resources.registry.retraining_records import (
    OPEN,
    Asked,
    Judgement,
    Retraining,
    RetrainingState,
)

# Given a model's requests as they stand, oldest first, and the moment (UTC).
Judge = Callable[[Sequence[Retraining], datetime], Judgement]


class RetrainingDesk:
    """Requests to retrain a model. Each change is an entry of the audit log.

    A request is judged in the transaction that records the judgement, so two processes that judge
    the same model see each other's. `actor` is who acts while the registry has no tokens.
    """

    def __init__(self, database: Database, desk: Desk) -> None:
        self._database = database
        self._desk = desk

    def all(self, model: str | None = None, *, newest: int | None = None) -> list[Retraining]:
        """Requests as they stand now, oldest first; of one model, or the newest so many."""
        with self._database.reading() as connection:
            return retrainings.current(connection, model=model, newest=newest)

    def open(self) -> list[Retraining]:
        """The requests of all models that something is still to come of, oldest first."""
        with self._database.reading() as connection:
            return retrainings.current(connection, states=OPEN)

    def find(self, request: int) -> Retraining:
        """A request as it stands now.

        Raises:
            LookupError: There is none of that number.
        """
        with self._database.reading() as connection:
            return retrainings.find(connection, request)

    def states(self, request: int) -> list[Retraining]:
        """Every state that a request was in, oldest first; none for an unknown one."""
        with self._database.reading() as connection:
            return retrainings.states_of(connection, request)

    def request(self, asked: Asked, *, actor: str = "") -> Retraining:
        """Ask for a retraining by hand; the governor judges it. Needs a contributor.

        `asked.requested_by` becomes the one who acts.
        """
        with self._granted("a retraining", asked.model, actor, Role.CONTRIBUTOR) as granted:
            made = Retraining(
                id=0,
                request=retrainings.NEW,
                state=RetrainingState.REQUESTED,
                at=granted.at,
                asked=replace(asked, requested_by=granted.by.name),
                asked_at=granted.at,
                reason=asked.told,
            )
            return retrainings.write(granted, made, RetrainingState.REQUESTED)

    def decide(
        self, asked: Asked, judge: Judge, *, actor: str = "", request: int | None = None
    ) -> tuple[Judgement, Retraining | None]:
        """Judge what asks for a retraining, and record the judgement. Needs a contributor.

        A `duplicate` is judged and not recorded: the request that it repeats is on record.

        Args:
            asked: What asks.
            judge: Says what becomes of it, given the model's other requests as they stand.
            actor: Who acts.
            request: The request by hand that this is the judgement of.
        """
        with self._granted("a retraining", asked.model, actor, Role.CONTRIBUTOR) as granted:
            held = retrainings.current(granted.connection, model=asked.model)
            judgement = judge([each for each in held if each.request != request], granted.at)
            if judgement.outcome == "duplicate" and request is None:
                return judgement, None
            waits_for = judgement.waits_for
            made = Retraining(
                id=0,
                request=retrainings.NEW if request is None else request,
                state=judgement.state,
                at=granted.at,
                asked=asked,
                asked_at=granted.at,
                outcome=judgement.outcome,
                reason=judgement.reason,
                evidence=judgement.evidence,
                approvers=judgement.approvers,
                expires_at=None if waits_for is None else granted.at + waits_for,
                again_at=judgement.again_at,
            )
            if request is not None:
                known = retrainings.find(granted.connection, request)
                retrainings.require_state(known, RetrainingState.REQUESTED)
                made = replace(made, asked=known.asked, asked_at=known.asked_at)
            return judgement, retrainings.write(granted, made, judgement.state)

    def approve(
        self, request: int, *, reason: str, actor: str = "", approver: str | None = None
    ) -> Retraining:
        """Let a waiting retraining be launched. Needs one of its approvers, not who asked for it.

        Raises:
            LookupError: There is no such request.
            PromotionRefused: TransitionRefused, as it does not wait any more; ApproverRefused.
        """
        return self._settle(request, RetrainingState.APPROVED, reason, actor, approver)

    def reject(
        self, request: int, *, reason: str, actor: str = "", approver: str | None = None
    ) -> Retraining:
        """Let a waiting retraining not be launched. Needs one of its approvers.

        Raises:
            LookupError: There is no such request.
            PromotionRefused: TransitionRefused, as it does not wait any more; ApproverRefused.
        """
        return self._settle(request, RetrainingState.REJECTED, reason, actor, approver)

    def expire(self, *, actor: str = "") -> list[Retraining]:
        """End the requests that waited for an approval beyond their time; writes only if some."""
        now = self._desk.clock()
        late = [each for each in self.open() if _is_late(each, now)]
        return [self._expired(each.request, actor) for each in late]

    def launched(self, request: int, run_id: str, *, actor: str = "") -> Retraining:
        """Put on record which run an approved request has. Saying it again changes nothing."""
        known = self.find(request)
        if known.run_id == run_id:
            return known
        with self._granted("a retraining", known.model, actor, Role.CONTRIBUTOR) as granted:
            known = retrainings.find(granted.connection, request)
            retrainings.require_state(known, RetrainingState.APPROVED)
            told = replace(known, run_id=run_id, launched_at=granted.at)
            return retrainings.write(granted, told, RetrainingState.LAUNCHED)

    def ended(self, request: int, succeeded: bool, reason: str, *, actor: str = "") -> Retraining:
        """Put on record how a request's run ended."""
        state = RetrainingState.SUCCEEDED if succeeded else RetrainingState.FAILED
        known = self.find(request)
        with self._granted("a retraining", known.model, actor, Role.CONTRIBUTOR) as granted:
            known = retrainings.find(granted.connection, request)
            if known.state is state:
                return known
            retrainings.require_state(known, RetrainingState.LAUNCHED)
            return retrainings.write(granted, replace(known, reason=reason), state)

    def _settle(
        self, request: int, state: RetrainingState, reason: str, actor: str, approver: str | None
    ) -> Retraining:
        require_stated(reason=reason)
        model, by = self.find(request).model, actor or approver or ""
        with self._granted(f"retraining {request} {state}", model, by, Role.APPROVER) as granted:
            known = retrainings.find(granted.connection, request)
            name = _approver(granted, known, approver)
            retrainings.require_state(known, RetrainingState.PENDING)
            if _is_late(known, granted.at):
                raise TransitionRefused(
                    f"retraining {request}: {_lateness(known)}; request another"
                )
            told = replace(known, approver=name, reason=reason)
            return retrainings.write(granted, told, state)

    def _expired(self, request: int, actor: str) -> Retraining:
        known = self.find(request)
        with self._granted("an expiry", known.model, actor, Role.CONTRIBUTOR) as granted:
            known = retrainings.find(granted.connection, request)
            retrainings.require_state(known, RetrainingState.PENDING)
            told = replace(known, reason=_lateness(known))
            return retrainings.write(granted, told, RetrainingState.EXPIRED)

    @contextmanager
    def _granted(self, what: str, model: str, actor: str, role: Role) -> Iterator[Granted]:
        require_model(model)
        with self._desk.granted(Request(what=what, role=role, actor=actor, model=model)) as granted:
            yield granted


def _is_late(retraining: Retraining, now: datetime) -> bool:
    waits = retraining.state is RetrainingState.PENDING
    return waits and retraining.expires_at is not None and retraining.expires_at <= now


def _lateness(retraining: Retraining) -> str:
    until = f"{retraining.expires_at:%Y-%m-%d %H:%M} UTC"
    return f"nobody decided until {until}; it was asked of {', '.join(retraining.approvers)}"


def _approver(granted: Granted, retraining: Retraining, approver: str | None) -> str:
    """Who settles it: listed for the model, and not who asked for it.

    Raises:
        ApproverRefused: Naming who may.
    """
    name = granted.holds_name(approver)
    asker = person(retraining.asked.requested_by)
    others = [each for each in retraining.approvers if person(each) != asker]
    if person(name) not in map(person, others):
        subject = f"retraining {retraining.request} of {retraining.model}"
        what = "asked for" if person(name) == asker else "is not an approver of"
        raise ApproverRefused(f"{name!r} {what} {subject}; ask one of: {', '.join(others)}")
    return next(each for each in others if person(each) == person(name))
