"""The alert book's tables, in the registry's database: the same on SQLite and PostgreSQL."""

import sqlalchemy as sa

from resources.registry.tables import CanonicalJson, UtcTimestamp, metadata

# What is wrong with a model, or with a table upstream, now, and what was. `document` is the alert.
UNRESOLVED = sa.text("state <> 'resolved'")
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("severity", sa.String(2), nullable=False),
    sa.Column("document", CanonicalJson, nullable=False),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.CheckConstraint("state in ('pending', 'open', 'resolved')", name="alerts_state"),
    sa.Index("alerts_by_model", "model", "id"),
    # One failure is one alert, whoever else looks at the same moment.
    sa.Index(
        "alerts_one_unresolved",
        "fingerprint",
        unique=True,
        sqlite_where=UNRESOLVED,
        postgresql_where=UNRESOLVED,
    ),
)

# `id` is the audit entry that records the silence; `revoked_in` the one that ended it early.
silences = sa.Table(
    "silences",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("kind", sa.Text),
    sa.Column("subject", sa.Text),
    sa.Column("until", UtcTimestamp, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("made_by", sa.Text, nullable=False),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Column("revoked_in", sa.Integer),
)

# What is to be told to whom: one row for each message and sink, kept until the sink has taken it.
UNDELIVERED = sa.text("state = 'waiting'")
alert_messages = sa.Table(
    "alert_messages",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("alert", sa.Integer, nullable=False),
    sa.Column("sink", sa.Text, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("document", CanonicalJson, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due", UtcTimestamp, nullable=False),
    sa.Column("at", UtcTimestamp, nullable=False),
    sa.Column("error", sa.Text),
    sa.CheckConstraint(
        "state in ('waiting', 'delivered', 'given_up')", name="alert_messages_state"
    ),
    sa.Index(
        "alert_messages_due",
        "due",
        sqlite_where=UNDELIVERED,
        postgresql_where=UNDELIVERED,
    ),
)
