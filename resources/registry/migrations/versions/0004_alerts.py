"""What is wrong with a model now, and what was."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the table, or take up again what an earlier downgrade kept."""
    if sa.inspect(op.get_bind()).has_table("kept_alerts"):
        op.rename_table("kept_alerts", "alerts")
        return
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Return to 0003, which has no such table, and keep it."""
    op.rename_table("alerts", "kept_alerts")
