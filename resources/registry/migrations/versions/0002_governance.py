"""Approvals and tokens as records, roles in the audit log, and the history for auditors."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

MOMENT = sa.DateTime(timezone=True)
CROWNED = sa.text("to_stage = 'production'")
INDEXES = {
    "audit_log_by_version": ["model", "version", "id"],
    "audit_log_by_artifact": ["model", "artifact_digest", "id"],
}
TABLES = ("approvals", "tokens")

# One row per reign of a champion, from audit entries alone but for the version's lineage.
HISTORY = """
create view champion_history as
select
    crowned.model,
    crowned.version,
    crowned.at as since,
    (
        select min(yielded.at) from audit_log as yielded
        where yielded.model = crowned.model and yielded.version = crowned.version
            and yielded.from_stage = 'production' and yielded.id > crowned.id
    ) as until,
    crowned.action as how,
    crowned.actor as promoted_by,
    crowned.role as promoted_by_role,
    (
        select promoted.approver from audit_log as promoted
        where promoted.model = crowned.model and promoted.version = crowned.version
            and promoted.action in ('promoted', 'break_glass') and promoted.id <= crowned.id
        order by promoted.id desc limit 1
    ) as approvers,
    crowned.reason,
    versions.author,
    {lineage} ->> 'training_set_digest' as training_set_digest,
    {lineage} ->> 'lake_snapshot' as lake_snapshot,
    {lineage} ->> 'code_commit' as code_commit,
    crowned.artifact_digest,
    crowned.evidence_digest,
    crowned.id as audit_entry
from audit_log as crowned
left join versions
    on versions.model = crowned.model and versions.number = crowned.version
where crowned.to_stage = 'production'
"""


def upgrade() -> None:
    """Add everything, and take up again what an earlier downgrade kept."""
    required = sa.Column("approvals_required", sa.Integer, nullable=False, server_default="1")
    fortnight = {"nullable": False, "server_default": "1209600"}
    op.add_column("versions", required)
    op.add_column("versions", sa.Column("approvals_valid_seconds", sa.Integer, **fortnight))
    op.add_column("audit_log", sa.Column("role", sa.String(20)))
    op.add_column("audit_log", sa.Column("record_digest", sa.Text))
    for name, columns in INDEXES.items():
        op.create_index(name, "audit_log", columns)
    op.create_index(
        "audit_log_of_champions",
        "audit_log",
        ["model", "at", "id"],
        sqlite_where=CROWNED,
        postgresql_where=CROWNED,
    )
    if sa.inspect(op.get_bind()).has_table("kept_versions"):
        _restore()
    else:
        _create_approvals()
        _create_tokens()
    # SQLite reads JSON from text as it is.
    lineage = "cast(versions.lineage as json)" if _is_postgresql() else "versions.lineage"
    op.execute(HISTORY.format(lineage=lineage))


def downgrade() -> None:
    """Return to 0001, and keep what it cannot hold in tables that it does not read.

    Every approval and role is hashed into the audit log: were they dropped, the chain would
    never verify again, and a registry without its tokens would obey anyone.
    """
    op.execute("drop view champion_history")
    for table in TABLES:
        op.rename_table(table, f"kept_{table}")
    op.execute(
        "create table kept_versions as "
        "select model, number, approvals_required, approvals_valid_seconds from versions"
    )
    op.execute(
        "create table kept_audit_log as select id, role, record_digest from audit_log "
        "where role is not null or record_digest is not null"
    )
    for name in ("audit_log_of_champions", *INDEXES):
        op.drop_index(name, "audit_log")
    for column in ("role", "record_digest"):
        op.execute(f"alter table audit_log drop column {column}")
    for column in ("approvals_required", "approvals_valid_seconds"):
        op.execute(f"alter table versions drop column {column}")


def _restore() -> None:
    for table in TABLES:
        op.rename_table(f"kept_{table}", table)
    op.execute(
        "update versions set approvals_required = kept.approvals_required, "
        "approvals_valid_seconds = kept.approvals_valid_seconds from kept_versions as kept "
        "where kept.model = versions.model and kept.number = versions.number"
    )
    guard = "create trigger audit_log_update before update on audit_log "
    stop = "begin select raise(abort, 'the audit log is append-only'); end"
    lifted = "alter table audit_log disable trigger user"
    op.execute(lifted if _is_postgresql() else "drop trigger audit_log_update")
    op.execute(
        "update audit_log set role = kept.role, record_digest = kept.record_digest "
        "from kept_audit_log as kept where kept.id = audit_log.id"
    )
    back = "alter table audit_log enable trigger user"
    op.execute(back if _is_postgresql() else guard + stop)
    op.execute("drop table kept_versions")
    op.execute("drop table kept_audit_log")


def _create_approvals() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("approver", sa.Text, nullable=False),
        sa.Column("role", sa.String(20)),
        sa.Column("verdict", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("artifact_digest", sa.Text, nullable=False),
        sa.Column("evidence_digest", sa.Text, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.Column("revoked_in", sa.Integer),
        sa.ForeignKeyConstraint(["model", "number"], ["versions.model", "versions.number"]),
        sa.CheckConstraint("verdict in ('approved', 'rejected')", name="approvals_verdict"),
    )
    op.create_index("approvals_by_version", "approvals", ["model", "number"])


def _create_tokens() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.Column("revoked_in", sa.Integer),
        sa.CheckConstraint(
            "role in ('viewer', 'contributor', 'approver', 'admin')", name="tokens_role"
        ),
    )


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"
