"""The model registry: which version serves, who decided so, and on what evidence."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from resources.registry import audit, history, transitions, versions
from resources.registry import evidence as gate
from resources.registry.database import Database
from resources.registry.errors import TransitionRefused
from resources.registry.reader import RegistryReader
from resources.registry.records import Action, AuditEntry, Event, Json, Stage, Version
from resources.registry.tables import audit_log, utc
from resources.registry.transitions import Decision

UNNUMBERED = 0  # of a candidate, until the registry gives it the model's next number


def utc_now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(UTC)


def registry(url: str, clock: Callable[[], datetime] = utc_now) -> "Registry":
    """A registry on `sqlite:///FILE` or `postgresql+psycopg://...`; nothing is opened yet.

    Raises:
        ValueError: The URL is of another database, or of SQLite without a file.
    """
    return Registry(Database(url), clock)


class Registry(RegistryReader):
    """Versions of models, moved between stages under a gate, every move on a chained log.

    Moves take turns over all processes, so they have one order. Every refusal leaves all as it
    was. Every decision raises ValueError for a blank name or reason.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        super().__init__(database)
        self._clock = clock

    def migrate(self) -> None:
        """Create or upgrade the tables. Cheap when they are up to date, safe when raced."""
        self.database.upgrade()

    def register(
        self,
        model: str,
        *,
        artifact_digest: str,
        evidence: Json,
        evidence_digest: str,
        lineage: Json,
        approvers: Sequence[str],
        author: str,
        run_id: str,
        tags: Mapping[str, str] | None = None,
    ) -> Version:
        """Record a passed candidate as the model's next version, in staging.

        The same artefact again returns the version it already is. Newer evidence or approvers
        are taken up while it is in staging or canary, so that a stale evaluation can be renewed.

        Raises:
            GateRefused: The evaluation is absent, failed, edited, or of another artefact.
            ValueError: The lineage holds NaN.
        """
        candidate = Version(
            model=model,
            number=UNNUMBERED,
            stage=Stage.STAGING,
            artifact_digest=artifact_digest,
            evidence=evidence,
            evidence_digest=evidence_digest,
            lineage=lineage,
            approvers=tuple(approvers),
            author=author,
            run_id=run_id,
            tags=dict(tags or {}),
            created_at=utc(self._clock()),
        )
        _require_candidate(candidate)
        return self._accept(candidate)

    def record_refusal(
        self,
        model: str,
        *,
        artifact_digest: str,
        evidence_digest: str,
        reasons: Sequence[str],
        actor: str,
        run_id: str,
    ) -> AuditEntry:
        """Put on record that a candidate failed its gates. Recording it twice records it once."""
        _require_model(model)
        _require_stated(artifact_digest=artifact_digest, actor=actor, run_id=run_id)
        with self.database.writing() as connection:
            recorded = audit.read(
                connection,
                audit_log.c.model == model,
                audit_log.c.action == Action.REFUSED,
                audit_log.c.artifact_digest == artifact_digest,
                audit_log.c.evidence_digest == evidence_digest,
            )
            if recorded:
                return recorded[0]
            known = versions.of_artifact(connection, model, artifact_digest)
            event = Event(
                model=model,
                action=Action.REFUSED,
                actor=actor,
                reason="; ".join(reasons),
                version=known.number if known else None,
                evidence_digest=evidence_digest,
                artifact_digest=artifact_digest,
                run_id=run_id,
            )
            return audit.append(connection, event, self._clock())

    def start_canary(self, model: str, number: int, *, actor: str, reason: str) -> Version:
        """Let a staged version take a share of the traffic.

        Raises:
            UnknownVersion: There is no such version.
            PromotionRefused: TransitionRefused or GateRefused.
        """
        _require_stated(actor=actor, reason=reason)
        with self.database.writing() as connection:
            version = versions.find(connection, model, number)
            transitions.require_move(version, Action.CANARY_STARTED)
            gate.require_standing(version, audit.judgements(connection, version))
            decision = self._decision(actor, reason)
            return transitions.move(connection, version, Action.CANARY_STARTED, decision)

    def withdraw(self, model: str, number: int, *, actor: str, reason: str) -> Version:
        """Archive a version that never went to production.

        Raises:
            UnknownVersion: There is no such version.
            TransitionRefused: It is in production or archived.
        """
        _require_stated(actor=actor, reason=reason)
        with self.database.writing() as connection:
            version = versions.find(connection, model, number)
            transitions.require_move(version, Action.WITHDRAWN)
            decision = self._decision(actor, reason)
            return transitions.move(connection, version, Action.WITHDRAWN, decision)

    def promote(
        self, model: str, number: int, *, actor: str, approver: str, reason: str
    ) -> Version:
        """Make a version the champion; the champion so far is archived in the same transaction.

        Promoting the champion again changes nothing.

        Raises:
            UnknownVersion: There is no such version.
            PromotionRefused: TransitionRefused, GateRefused, EvaluationStale or ApproverRefused.
        """
        _require_stated(actor=actor, reason=reason)
        with self.database.writing() as connection:
            version = versions.find(connection, model, number)
            if version.stage is Stage.PRODUCTION:
                return version
            transitions.require_move(version, Action.PROMOTED)
            gate.require_standing(version, audit.judgements(connection, version))
            champion = versions.champion(connection, model)
            gate.require_current(version, champion.number if champion else None)
            gate.require_approver(version, approver)
            decision = self._decision(actor, reason, approver)
            return transitions.crown(connection, version, Action.PROMOTED, decision)

    def rollback(self, model: str, *, actor: str, reason: str, to: int | None = None) -> Version:
        """Return an earlier champion to production and archive the present one.

        Without `to` it is the champion before this one, so that two rollbacks go two back; `to`
        names any version that was champion once. Rolling back to the champion changes nothing.

        Raises:
            UnknownVersion: `to` is no version of the model.
            TransitionRefused: There is no champion before this one, or `to` never was one.
            GateRefused: The evidence of the version to return to was edited.
        """
        _require_stated(actor=actor, reason=reason)
        with self.database.writing() as connection:
            entries = audit.read(connection, audit_log.c.model == model)
            number = history.previous(model, entries) if to is None else to
            version = versions.find(connection, model, number)
            if version.stage is Stage.PRODUCTION:
                return version
            transitions.require_move(version, Action.ROLLED_BACK)
            if history.approver(entries, version.number) is None:
                raise TransitionRefused(
                    f"{model} version {version.number} never was champion; register a new candidate"
                )
            gate.require_unedited(version, audit.judgements(connection, version))
            decision = self._decision(actor, reason)
            return transitions.crown(connection, version, Action.ROLLED_BACK, decision)

    def _accept(self, candidate: Version) -> Version:
        with self.database.writing() as connection:
            model = candidate.model
            known = versions.of_artifact(connection, model, candidate.artifact_digest)
            number = known.number if known else versions.next_number(connection, model)
            version = replace(candidate, number=number)
            if known is None:
                transitions.add(connection, version)
            elif known.stage in (Stage.STAGING, Stage.CANARY):
                transitions.renew(connection, known, version)
            return versions.find(connection, model, number)

    def _decision(self, actor: str, reason: str, approver: str | None = None) -> Decision:
        return Decision(actor=actor, reason=reason, at=self._clock(), approver=approver)


def _require_candidate(version: Version) -> None:
    _require_model(version.model)
    _require_stated(
        artifact_digest=version.artifact_digest, author=version.author, run_id=version.run_id
    )
    gate.require_passed(
        version.model, version.artifact_digest, version.evidence, version.evidence_digest
    )
    for path, value in gate.non_finite(version.lineage, "lineage"):
        raise ValueError(f"{version.model}: {path} is {value}; record None or leave it out")


def _require_model(model: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*", model):
        raise ValueError(f"{model!r} names no model; write team.name, as in flights.arrival_delay")


def _require_stated(**names: str) -> None:
    for name, value in names.items():
        if not value.strip():
            raise ValueError(f"{name} is blank; the audit log needs it")
