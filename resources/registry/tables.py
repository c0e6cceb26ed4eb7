"""The registry's tables, the same on SQLite and PostgreSQL."""

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from resources.digests import canonical_json


def utc(moment: datetime) -> datetime:
    """The moment in UTC.

    Raises:
        ValueError: The moment has no time zone, so it names no instant.
    """
    if moment.utcoffset() is None:
        raise ValueError(f"{moment!r} has no time zone; pass an aware datetime, such as tzinfo=UTC")
    return moment.astimezone(UTC)


class UtcTimestamp(sa.TypeDecorator[datetime]):
    """Aware datetimes in and out. SQLite has no time zones, so it holds the naive UTC value."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC, without the zone on SQLite."""
        if value is None:
            return None
        return utc(value).replace(tzinfo=None) if dialect.name == "sqlite" else utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the stored value, always aware."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class CanonicalJson(sa.TypeDecorator[Any]):
    """JSON kept as its canonical text: the bytes a digest was taken of, on both databases."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ANN401
        """To canonical text."""
        return canonical_json(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ANN401
        """From text."""
        return None if value is None else json.loads(value)


metadata = sa.MetaData()

# Literals, here and below: a partial index serves only a query that repeats its words.
IN_PRODUCTION = sa.text("stage = 'production'")

versions = sa.Table(
    "versions",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("stage", sa.String(20), nullable=False),
    sa.Column("artifact_digest", sa.Text, nullable=False),
    sa.Column("evidence_digest", sa.Text, nullable=False),
    sa.Column("lineage", CanonicalJson, nullable=False),
    sa.Column("approvers", CanonicalJson, nullable=False),
    sa.Column("approvals_required", sa.Integer, nullable=False, server_default="1"),
    sa.Column("approvals_valid_seconds", sa.Integer, nullable=False, server_default="1209600"),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("tags", CanonicalJson, nullable=False),
    sa.Column("created_at", UtcTimestamp, nullable=False),
    sa.UniqueConstraint("model", "artifact_digest", name="versions_artifact"),
    sa.CheckConstraint(
        "stage in ('staging', 'canary', 'production', 'archived')", name="versions_stage"
    ),
    sa.Index(
        "versions_one_production",
        "model",
        unique=True,
        sqlite_where=IN_PRODUCTION,
        postgresql_where=IN_PRODUCTION,
    ),
)

evaluations = sa.Table(
    "evaluations",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("evidence_digest", sa.Text, primary_key=True),
    sa.Column("evidence", CanonicalJson, nullable=False),
    sa.ForeignKeyConstraint(["model", "number"], ["versions.model", "versions.number"]),
)

# The entries that made a champion. A champion leaves only as another one comes, so they are the
# whole history.
CROWNED = sa.text("to_stage = 'production'")

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("version", sa.Integer),
    sa.Column("action", sa.String(20), nullable=False),
    sa.Column("from_stage", sa.String(20)),
    sa.Column("to_stage", sa.String(20)),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("approver", sa.Text),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("evidence_digest", sa.Text),
    sa.Column("artifact_digest", sa.Text),
    sa.Column("run_id", sa.Text),
    sa.Column("role", sa.String(20)),
    sa.Column("record_digest", sa.Text),
    sa.Column("previous_hash", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Index("audit_log_by_model", "model", "id"),
    sa.Index("audit_log_by_version", "model", "version", "id"),
    sa.Index("audit_log_by_artifact", "model", "artifact_digest", "id"),
    sa.Index(
        "audit_log_of_champions",
        "model",
        "at",
        "id",
        sqlite_where=CROWNED,
        postgresql_where=CROWNED,
    ),
)

# One row: the last entry of the log, so that cutting the log's end shows.
audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("id", sa.Integer, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)

# `id` is the audit entry that records the verdict; `revoked_in` the one that took it back.
approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("approver", sa.Text, nullable=False),
    sa.Column("role", sa.String(20)),
    sa.Column("verdict", sa.String(20), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("artifact_digest", sa.Text, nullable=False),
    sa.Column("evidence_digest", sa.Text, nullable=False),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Column("expires_at", UtcTimestamp),
    sa.Column("revoked_in", sa.Integer),
    sa.ForeignKeyConstraint(["model", "number"], ["versions.model", "versions.number"]),
    sa.CheckConstraint("verdict in ('approved', 'rejected')", name="approvals_verdict"),
    sa.Index("approvals_by_version", "model", "number"),
)

# `id` is the audit entry that records the creation; `hash` is of the secret, which is not kept.
tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at", UtcTimestamp, nullable=False),
    sa.Column("expires_at", UtcTimestamp),
    sa.Column("revoked_in", sa.Integer),
    sa.CheckConstraint(
        "role in ('viewer', 'contributor', 'approver', 'admin')", name="tokens_role"
    ),
)

# `id` is the audit entry that records the revision. All revisions stay.
traffic = sa.Table(
    "traffic",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Integer, nullable=False, unique=True),
    sa.Column("document", CanonicalJson, nullable=False),
    sa.Column("at", UtcTimestamp, nullable=False),
)

# Requests to retrain, and what became of each. `id` is the audit entry that records the row, and
# `request` the first row's: every state that a request was in stays.
retrainings = sa.Table(
    "retrainings",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("request", sa.Integer, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("document", CanonicalJson, nullable=False),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Index("retrainings_by_request", "request", "id"),
    sa.Index("retrainings_by_model", "model", "request", "id"),
)

# How far each version has come on its way to all the traffic: a row per step, all of which stay.
# `id` is the audit entry that records the step.
rollouts = sa.Table(
    "rollouts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("document", CanonicalJson, nullable=False),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Index("rollouts_by_model", "model", "id"),
)
