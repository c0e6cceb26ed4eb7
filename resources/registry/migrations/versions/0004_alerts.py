"""What is wrong with models now, and what was; who is told of it, and what is silenced."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

MOMENT = sa.DateTime(timezone=True)
TABLES = ("alerts", "silences", "alert_messages")


def upgrade() -> None:
    """Add the tables, or take up again what an earlier downgrade kept."""
    if sa.inspect(op.get_bind()).has_table("kept_alerts"):
        for table in TABLES:
            op.rename_table(f"kept_{table}", table)
        return
    _create_alerts()
    _create_silences()
    _create_messages()


def downgrade() -> None:
    """Return to 0003, which has no such tables, and keep them: the audit log names silences."""
    for table in TABLES:
        op.rename_table(table, f"kept_{table}")


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("severity", sa.String(2), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.CheckConstraint("state in ('pending', 'open', 'resolved')", name="alerts_state"),
    )
    op.create_index("alerts_by_model", "alerts", ["model", "id"])
    unresolved = sa.text("state <> 'resolved'")
    op.create_index(
        "alerts_one_unresolved",
        "alerts",
        ["fingerprint"],
        unique=True,
        sqlite_where=unresolved,
        postgresql_where=unresolved,
    )


def _create_silences() -> None:
    op.create_table(
        "silences",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("kind", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("revoked_in", sa.Integer),
    )


def _create_messages() -> None:
    op.create_table(
        "alert_messages",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("alert", sa.Integer, nullable=False),
        sa.Column("sink", sa.Text, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due", MOMENT, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("error", sa.Text),
        sa.CheckConstraint(
            "state in ('waiting', 'delivered', 'given_up')", name="alert_messages_state"
        ),
    )
    undelivered = sa.text("state = 'waiting'")
    op.create_index(
        "alert_messages_due",
        "alert_messages",
        ["due"],
        sqlite_where=undelivered,
        postgresql_where=undelivered,
    )
