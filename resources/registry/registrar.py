"""Taking in candidates: a version for one that passed, an entry of the log for one that did not."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from resources.registry import audit, history, transitions, versions
from resources.registry import evidence as gate
from resources.registry.database import Database
from resources.registry.desk import Desk, Granted, Request, require_model, require_stated
from resources.registry.identity import Role
from resources.registry.reader import RegistryReader
from resources.registry.records import (
    Action,
    ApprovalTerms,
    AuditEntry,
    Event,
    Json,
    Stage,
    Version,
)
from resources.registry.tables import audit_log, utc

UNNUMBERED = 0  # of a candidate, until the registry gives it the model's next number


class Registrar(RegistryReader):
    """Registers candidates, and records the ones refused."""

    def __init__(
        self, database: Database, clock: Callable[[], datetime], token: str | None
    ) -> None:
        super().__init__(database)
        self._desk = Desk(database, clock, token)

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
        approval: ApprovalTerms = ApprovalTerms(),  # noqa: B008  frozen
    ) -> Version:
        """Record a passed candidate as the model's next version, in staging.

        The same artefact again returns the version it already is. Newer evidence, approvers or
        approval terms are taken up while it is in staging or canary, or taken back by a rollout,
        so that a stale evaluation can be renewed. Needs a contributor; `author` is who made it,
        whoever registers it.

        Raises:
            GateRefused: The evaluation is absent, failed, edited, or of another artefact.
            AccessRefused: The token does not allow it.
            ValueError: The lineage holds NaN, or the terms ask for no approval.
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
            approval=approval,
            author=author,
            run_id=run_id,
            tags=dict(tags or {}),
            created_at=utc(self._desk.clock()),
        )
        _require_candidate(candidate)
        what = Request(what="registration", role=Role.CONTRIBUTOR, actor=author, model=model)
        with self._desk.granted(what) as granted:
            return _accept(granted, candidate)

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
        require_model(model)
        require_stated(artifact_digest=artifact_digest, actor=actor, run_id=run_id)
        what = Request(what="refusal", role=Role.CONTRIBUTOR, actor=actor, model=model)
        with self._desk.granted(what) as granted:
            recorded = audit.read(
                granted.connection,
                audit_log.c.model == model,
                audit_log.c.action == Action.REFUSED,
                audit_log.c.artifact_digest == artifact_digest,
                audit_log.c.evidence_digest == evidence_digest,
            )
            if recorded:
                return recorded[0]
            known = versions.of_artifact(granted.connection, model, artifact_digest)
            event = Event(
                model=model,
                action=Action.REFUSED,
                actor=granted.by.name,
                role=granted.by.role,
                reason="; ".join(reasons),
                version=known.number if known else None,
                evidence_digest=evidence_digest,
                artifact_digest=artifact_digest,
                run_id=run_id,
            )
            return audit.append(granted.connection, event, granted.at)


def _accept(granted: Granted, candidate: Version) -> Version:
    connection, model = granted.connection, candidate.model
    known = versions.of_artifact(connection, model, candidate.artifact_digest)
    if known is None:
        number = versions.highest(connection, model) + 1
        version = replace(candidate, number=number, created_at=granted.at)
        transitions.add(connection, [version], granted.by, granted.at)
        return version
    if known.stage in (Stage.STAGING, Stage.CANARY) or history.is_taken_back(
        connection, model, known.number
    ):
        transitions.renew(connection, known, candidate, granted.by, granted.at)
        return versions.find(connection, model, known.number)
    return known


def _require_candidate(version: Version) -> None:
    require_model(version.model)
    require_stated(
        artifact_digest=version.artifact_digest, author=version.author, run_id=version.run_id
    )
    gate.require_passed(
        version.model, version.artifact_digest, version.evidence, version.evidence_digest
    )
    for path, value in gate.non_finite(version.lineage, "lineage"):
        raise ValueError(f"{version.model}: {path} is {value}; record None or leave it out")
    terms = version.approval
    if terms.required < 1 or terms.valid.total_seconds() < 1:
        raise ValueError(f"{version.model}: {terms} asks for no approval; ask for one at least")
