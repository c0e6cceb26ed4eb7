"""Requests to retrain, and what became of each."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the table, or take up again what an earlier downgrade kept."""
    if sa.inspect(op.get_bind()).has_table("kept_retrainings"):
        op.rename_table("kept_retrainings", "retrainings")
        return
    op.create_table(
        "retrainings",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("request", sa.Integer, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("retrainings_by_request", "retrainings", ["request", "id"])
    op.create_index("retrainings_by_model", "retrainings", ["model", "request", "id"])


def downgrade() -> None:
    """Return to 0004, which has no such table, and keep it."""
    op.rename_table("retrainings", "kept_retrainings")
