"""Whether the audit log is as it was written, and everything else as the log says."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import sqlalchemy as sa

from resources.alerts import silences
from resources.digests import digest
from resources.registry import (
    approvals,
    audit,
    retrainings,
    rollouts,
    tokens,
    traffic,
    versions,
)
from resources.registry.errors import AuditBroken
from resources.registry.records import ACCEPTED, Action, Version
from resources.registry.tables import audit_head

Key = tuple[str, int]
_GRANTS = {
    Action.APPROVED: "approval",
    Action.REJECTED: "approval",
    Action.TOKEN_CREATED: "token",
    Action.TRAFFIC_CHANGED: "traffic table",
    Action.ROLLOUT_CHANGED: "rollout step",
    **dict.fromkeys(retrainings.ACTIONS, "retraining"),
    Action.ALERT_SILENCED: "silence",
}
_STREAMS = {
    "approval": approvals.stream,
    "token": tokens.stream,
    "traffic table": traffic.stream,
    "rollout step": rollouts.stream,
    "retraining": retrainings.stream,
    "silence": silences.stream,
}
_REVOCATIONS = {
    Action.APPROVAL_REVOKED: "approval",
    Action.TOKEN_REVOKED: "token",
    Action.ALERT_UNSILENCED: "silence",
}


@dataclass(kw_only=True)
class _Told:
    """What the log tells of the other tables: the last word on each row, and who said it."""

    entries: int = 0
    stages: dict[Key, tuple[int, str]] = field(default_factory=dict)
    judged: dict[Key, tuple[int, str, str]] = field(default_factory=dict)
    records: dict[Key, tuple[int, str]] = field(default_factory=dict)
    granted: dict[tuple[str, int], str] = field(default_factory=dict)
    revoked: dict[tuple[str, str], int] = field(default_factory=dict)

    def hear(self, row: audit.Row) -> None:
        """Take up one entry."""
        key = row["model"], row["version"]
        if row["to_stage"] is not None:
            self.stages[key] = row["id"], row["to_stage"]
        if row["action"] in ACCEPTED:
            self.judged[key] = row["id"], row["artifact_digest"], row["evidence_digest"]
            if row["record_digest"] is not None:
                self.records[key] = row["id"], row["record_digest"]
        record_digest = str(row["record_digest"])
        if kind := _GRANTS.get(row["action"]):
            self.granted[kind, row["id"]] = record_digest
        if kind := _REVOCATIONS.get(row["action"]):
            self.revoked[kind, record_digest] = row["id"]


def verify(connection: sa.Connection) -> int:
    """Recompute the chain, and check that it leads to what the other tables hold.

    Everything is read once, in order, some rows at a time.

    Returns:
        The number of entries.

    Raises:
        AuditBroken: An entry was edited, removed, inserted or swapped, or a version, approval,
            token, traffic table, retraining or silence was changed behind the log.
    """
    told = _Told()
    with closing(audit.stream(connection)) as rows:
        _verify_chain(connection, rows, told)
    with closing(versions.stream(connection)) as rows:
        _verify_versions(rows, told)
    for kind, stream in _STREAMS.items():
        with closing(stream(connection)) as rows:
            _verify_records(kind, rows, told)
    return told.entries


def _verify_chain(connection: sa.Connection, rows: Iterator[audit.Row], told: _Told) -> None:
    previous, position = audit.GENESIS, 0
    for position, row in enumerate(rows, start=1):
        if row["id"] != position:
            raise AuditBroken(position, f"is missing, the next one is {row['id']}")
        if row["previous_hash"] != previous:
            raise AuditBroken(position, "does not follow from the entry before it")
        if row["hash"] != audit.hash_of(previous, row):
            raise AuditBroken(position, "was edited, its content no longer gives its hash")
        previous = row["hash"]
        told.hear(row)
    head = connection.execute(sa.select(audit_head)).one()
    if (head.id, head.hash) != (position, previous):
        raise AuditBroken(head.id, f"was the last one, but the log ends at {position}")
    told.entries = position


def _verify_versions(rows: Iterator[Version], told: _Told) -> None:
    for version in rows:
        key = version.model, version.number
        if key not in told.judged:
            raise AuditBroken(told.entries, f"nothing up to here registered {_name(key)}")
        moved, stage = told.stages.pop(key)
        if stage != version.stage:
            raise AuditBroken(moved, f"left {_name(key)} in {stage}, it is in {version.stage}")
        _verify_content(version, told)
    for key, (moved, _) in told.stages.items():
        raise AuditBroken(moved, f"{_name(key)} is gone from the versions")


def _verify_content(version: Version, told: _Told) -> None:
    key = version.model, version.number
    judged, artifact_digest, evidence_digest = told.judged[key]
    if artifact_digest != version.artifact_digest:
        raise AuditBroken(judged, f"names another artefact of {_name(key)} than is registered")
    if not evidence_digest == version.evidence_digest == digest(version.evidence):
        raise AuditBroken(judged, f"names other evidence of {_name(key)} than is recorded")
    # Versions that were registered before 0002 have no digest of their other fields.
    recorded, record_digest = told.records.get(key, (0, None))
    if record_digest not in (None, versions.record_digest(version)):
        raise AuditBroken(
            recorded, f"names other lineage, author, approvers or tags of {_name(key)}"
        )


def _verify_records(kind: str, rows: Iterator[tuple[int, int | None, str]], told: _Told) -> None:
    """Each row against the entries that granted and revoked it."""
    for row_id, revoked_in, record_digest in rows:
        if told.granted.pop((kind, row_id), None) != record_digest:
            raise AuditBroken(row_id, f"says otherwise than {kind} {row_id}, which was edited")
        said = told.revoked.pop((kind, audit.revocation_of(row_id)), None)
        if said != revoked_in:
            raise AuditBroken(
                said or row_id,
                f"says otherwise than {kind} {row_id} of whether it was revoked",
            )
    for (of, row_id), _ in told.granted.items():
        if of == kind:
            raise AuditBroken(row_id, f"{kind} {row_id} is gone")


def _name(key: Key) -> str:
    return f"{key[0]} version {key[1]}"
