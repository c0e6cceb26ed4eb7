"""Rollouts: how far each version has come on its way to all the traffic, every step on record."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the table, or take up again what an earlier downgrade kept."""
    if sa.inspect(op.get_bind()).has_table("kept_rollouts"):
        op.rename_table("kept_rollouts", "rollouts")
        return
    op.create_table(
        "rollouts",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("rollouts_by_model", "rollouts", ["model", "id"])


def downgrade() -> None:
    """Return to 0005, which has no such table, and keep it: the audit log names each step."""
    op.rename_table("rollouts", "kept_rollouts")
