"""Traffic tables: which units each version answers, every revision on record."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the table, or take up again what an earlier downgrade kept."""
    if sa.inspect(op.get_bind()).has_table("kept_traffic"):
        op.rename_table("kept_traffic", "traffic")
        return
    op.create_table(
        "traffic",
        sa.Column("model", sa.Text, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Integer, nullable=False, unique=True),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Return to 0002, which has no traffic tables, and keep them: the audit log names each."""
    op.rename_table("traffic", "kept_traffic")
