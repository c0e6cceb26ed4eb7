"""The model registry: which version serves, who decided so, and on what evidence."""

from collections.abc import Callable
from datetime import UTC, datetime

from resources.alerts.book import AlertBook
from resources.alerts.outbox import Outbox
from resources.registry import approvals, audit, history, promotions, transitions, versions
from resources.registry import evidence as gate
from resources.registry.database import Database
from resources.registry.identity import Role, person
from resources.registry.promotions import Obstacles
from resources.registry.records import Action, Approval, Stage, Version
from resources.registry.retraining_desk import RetrainingDesk
from resources.registry.rollout_desk import RolloutDesk
from resources.registry.token_desk import TokenDesk
from resources.registry.traffic_registrar import TrafficRegistrar
from resources.registry.transitions import Decision


def utc_now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(UTC)


def registry(
    url: str, clock: Callable[[], datetime] = utc_now, token: str | None = None
) -> "Registry":
    """A registry on `sqlite:///FILE` or `postgresql+psycopg://...`; nothing is opened yet.

    Args:
        url: Where it is.
        clock: Tells the moment of each action.
        token: Of the one who acts; reading needs none.

    Raises:
        ValueError: The URL is of another database, or of SQLite without a file.
    """
    return Registry(Database(url), clock, token)


class Registry(TrafficRegistrar):
    """Versions of models, moved between stages under a gate, every move on a chained log.

    Moves take turns over all processes, so they have one order. A refusal leaves all as it was
    but for an entry of the log. Every action raises ValueError for a blank name or reason, and
    AccessRefused without a token that allows it, once the registry has tokens. `actor` is who
    acts while it has none; afterwards that is the token's holder.
    """

    @property
    def tokens(self) -> TokenDesk:
        """Who may act."""
        return TokenDesk(self.database, self._desk)

    @property
    def alerts(self) -> AlertBook:
        """What is wrong with the models, and what people said to it."""
        return AlertBook(self.database, self._desk)

    @property
    def outbox(self) -> Outbox:
        """What is still to be told of alerts."""
        return Outbox(self.database)

    @property
    def rollouts(self) -> RolloutDesk:
        """How far versions have come on their way to all the traffic."""
        return RolloutDesk(self.database, self._desk)

    @property
    def retrainings(self) -> RetrainingDesk:
        """Requests to retrain, and what became of each."""
        return RetrainingDesk(self.database, self._desk)

    def migrate(self) -> None:
        """Create or upgrade the tables. Cheap when they are up to date, safe when raced."""
        self.database.upgrade()

    def start_canary(self, model: str, number: int, *, actor: str, reason: str) -> Version:
        """Let a staged version take a share of the traffic. Needs an approver.

        Raises:
            UnknownVersion: There is no such version.
            PromotionRefused: TransitionRefused or GateRefused.
        """
        with self._granted("canary", actor, reason, model, number) as granted:
            version = versions.find(granted.connection, model, number)
            transitions.require_move(version, Action.CANARY_STARTED)
            gate.require_standing(version, audit.judgements(granted.connection, version))
            decision = Decision(by=granted.by, reason=reason, at=granted.at)
            return transitions.move(granted.connection, version, Action.CANARY_STARTED, decision)

    def withdraw(self, model: str, number: int, *, actor: str, reason: str) -> Version:
        """Archive a version that never went to production. Needs a contributor.

        Raises:
            UnknownVersion: There is no such version.
            TransitionRefused: It is in production or archived.
        """
        needs = Role.CONTRIBUTOR
        with self._granted("withdrawal", actor, reason, model, number, needs) as granted:
            version = versions.find(granted.connection, model, number)
            decision = Decision(by=granted.by, reason=reason, at=granted.at)
            return transitions.move(granted.connection, version, Action.WITHDRAWN, decision)

    def approve(
        self, model: str, number: int, *, reason: str, actor: str = "", approver: str | None = None
    ) -> Approval:
        """Approve a version's artefact and evidence for production. Needs an approver.

        One person counts once: an approval that stands is returned as it is, and an approval
        takes the place of the same person's rejection.

        Args:
            model: `team.name`.
            number: Of the version.
            reason: Why.
            actor: Who acts, while the registry has no tokens.
            approver: Whose approval it is; the token's holder, which it must then be.

        Raises:
            UnknownVersion: There is no such version.
            PromotionRefused: TransitionRefused, GateRefused or ApproverRefused.
        """
        with self._granted("approval", actor or approver or "", reason, model, number) as granted:
            version = versions.find(granted.connection, model, number)
            return promotions.judge(granted, version, Action.APPROVED, approver, reason)

    def reject(
        self, model: str, number: int, *, reason: str, actor: str = "", approver: str | None = None
    ) -> Approval:
        """Reject a version, which blocks its promotion until the rejection is revoked.

        Raises:
            UnknownVersion: There is no such version.
            PromotionRefused: TransitionRefused, GateRefused or ApproverRefused.
        """
        with self._granted("rejection", actor or approver or "", reason, model, number) as granted:
            version = versions.find(granted.connection, model, number)
            return promotions.judge(granted, version, Action.REJECTED, approver, reason)

    def revoke_approval(
        self, model: str, number: int, *, approver: str, reason: str, actor: str = ""
    ) -> Approval:
        """Take back a person's last verdict on a version: the person, or an admin.

        Raises:
            LookupError: The person has no verdict on the version that is not revoked.
            AccessRefused: The token is neither the person's nor an admin's.
        """
        with self._granted("revocation", actor or approver, reason, model, number) as granted:
            if granted.by.role not in (None, Role.ADMIN):
                granted.holds_name(approver)
            given = [
                verdict
                for verdict in approvals.of(granted.connection, model, number)
                if person(verdict.approver) == person(approver) and verdict.revoked_in is None
            ]
            if not given:
                raise LookupError(
                    f"{approver} gave no verdict on {model} version {number} that is left to revoke"
                )
            return approvals.revoke(
                granted.connection, given[-1], by=granted.by, reason=reason, at=granted.at
            )

    def standing_approvals(self, model: str, number: int) -> list[Approval]:
        """The verdicts on the version that stand now: one of each person at most.

        Raises:
            UnknownVersion: There is no such version.
        """
        with self.database.reading() as connection:
            version = versions.find(connection, model, number)
            authors = gate.authors(version, audit.judgements(connection, version))
            now = audit.moment(connection, self._desk.clock())
            return approvals.verdicts(connection, version, authors, now)

    def obstacles(self, model: str, number: int) -> Obstacles:
        """What stands in the way of a version's promotion now; nothing is written.

        Raises:
            UnknownVersion: There is no such version.
        """
        with self.database.reading() as connection:
            version = versions.find(connection, model, number)
            now = audit.moment(connection, self._desk.clock())
            return promotions.obstacles(connection, version, now)

    def promote(
        self,
        model: str,
        number: int,
        *,
        reason: str,
        actor: str = "",
        approver: str | None = None,
        break_glass: bool = False,
    ) -> Version:
        """Make a version the champion; the champion so far is archived in the same transaction.

        It needs as many standing approvals as the version asks for. With `approver` that
        person's approval is given in the same transaction, or not at all. `break_glass` does
        without approvals, under an action of its own in the log: it needs an admin, and passes
        over no gate. Promoting the champion again changes nothing.

        Raises:
            UnknownVersion: There is no such version.
            PromotionRefused: TransitionRefused, GateRefused, EvaluationStale, ApproverRefused or
                ApprovalMissing.
        """
        if break_glass and approver is not None:
            raise ValueError("break_glass promotes without approval; leave approver out")
        what, needs = ("break glass", Role.ADMIN) if break_glass else ("promotion", Role.APPROVER)
        by = actor or approver or ""
        with self._granted(what, by, reason, model, number, needs) as granted:
            if not break_glass:
                return promotions.promote(granted, model, number, reason, approver)
            version = versions.find(granted.connection, model, number)
            if version.stage is Stage.PRODUCTION:
                return version
            promotions.require_ready(granted.connection, version)
            return promotions.break_glass(granted, version, reason)

    def rollback(
        self, model: str, *, reason: str, actor: str = "", to: int | None = None
    ) -> Version:
        """Return an earlier champion to production and archive the present one.

        Without `to` it is the champion before this one, so that two rollbacks go two back; `to`
        names any version that was champion once. Rolling back to the champion changes nothing.
        It needs an approver's role but no approval: the version had its own.

        Raises:
            UnknownVersion: `to` is no version of the model.
            TransitionRefused: There is no champion before this one, or `to` never was one.
            GateRefused: The evidence of the version to return to was edited.
        """
        with self._granted("rollback", actor, reason, model, to) as granted:
            number = history.previous(granted.connection, model) if to is None else to
            return promotions.return_to(granted, model, number, reason)
