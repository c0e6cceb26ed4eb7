"""Versions, their evaluations, and the append-only audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

GENESIS = "sha256:" + "0" * 64
MOMENT = sa.DateTime(timezone=True)

# The chain shows that the log was edited; these stop an edit made by mistake.
SQLITE_GUARDS = [
    f"create trigger audit_log_{verb} before {verb} on audit_log "
    "begin select raise(abort, 'the audit log is append-only'); end"
    for verb in ("update", "delete")
]
POSTGRESQL_GUARDS = [
    "create function audit_log_is_append_only() returns trigger language plpgsql as "
    "$$ begin raise exception 'the audit log is append-only'; end $$",
    "create trigger audit_log_update before update or delete on audit_log "
    "for each row execute function audit_log_is_append_only()",
    "create trigger audit_log_truncate before truncate on audit_log "
    "for each statement execute function audit_log_is_append_only()",
]


def upgrade() -> None:
    """Create every table and the guards of the audit log."""
    _create_versions()
    _create_evaluations()
    _create_audit()
    postgresql = op.get_bind().dialect.name == "postgresql"
    for statement in POSTGRESQL_GUARDS if postgresql else SQLITE_GUARDS:
        op.execute(statement)


def downgrade() -> None:
    """Drop everything, the audit log included, and what later revisions kept."""
    later = ("traffic", "alerts", "silences", "alert_messages", "retrainings", "rollouts")
    for kept in ("approvals", "tokens", "versions", "audit_log", *later):
        op.execute(f"drop table if exists kept_{kept}")
    for table in ("audit_head", "audit_log", "evaluations", "versions"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("drop function audit_log_is_append_only()")


def _create_versions() -> None:
    op.create_table(
        "versions",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("stage", sa.String(20), nullable=False),
        sa.Column("artifact_digest", sa.Text, nullable=False),
        sa.Column("evidence_digest", sa.Text, nullable=False),
        sa.Column("lineage", sa.Text, nullable=False),
        sa.Column("approvers", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.UniqueConstraint("model", "artifact_digest", name="versions_artifact"),
        sa.CheckConstraint(
            "stage in ('staging', 'canary', 'production', 'archived')", name="versions_stage"
        ),
    )
    op.create_index(
        "versions_one_production",
        "versions",
        ["model"],
        unique=True,
        sqlite_where=sa.text("stage = 'production'"),
        postgresql_where=sa.text("stage = 'production'"),
    )


def _create_evaluations() -> None:
    op.create_table(
        "evaluations",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("evidence_digest", sa.Text, primary_key=True),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["model", "number"], ["versions.model", "versions.number"]),
    )


def _create_audit() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", MOMENT, nullable=False),
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
        sa.Column("previous_hash", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_index("audit_log_by_model", "audit_log", ["model", "id"])
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.bulk_insert(head, [{"id": 0, "hash": GENESIS}])
