"""The outbox: what is still to be told to each sink. At least once; a receiver tells by the id."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa

from resources.alerts.records import Delivery, Message
from resources.alerts.tables import alert_messages as table
from resources.registry.database import Database
from resources.registry.tables import utc

# While one process tries a message no other one takes it; a process that died lets it go.
LEASE = timedelta(minutes=5)
# After the first failure; doubled for each further one, up to the longest.
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=1)
# A sink that was away for so long is told nothing of what is no news any more.
GIVE_UP_AFTER = timedelta(days=2)


def put(connection: sa.Connection, message: Message, sinks: Sequence[str]) -> None:
    """Take a message for each sink, in the transaction that makes it true."""
    for sink in sinks:
        row = {
            "alert": message.alert.id,
            "sink": sink,
            "state": "waiting",
            "document": msgspec.to_builtins(message),
            "attempts": 0,
            "due": message.at,
            "at": message.at,
        }
        connection.execute(sa.insert(table).values(row))


class Outbox:
    """Hands messages out one at a time, and remembers what became of each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, now: datetime) -> Delivery | None:
        """The message that is due the longest, for this process alone for `LEASE`."""
        at = utc(now)
        with self._database.reading() as connection:
            if _due(connection, at) is None:
                return None
        with self._database.writing() as connection:
            found = _due(connection, at)
            if found is not None:
                _set(connection, found.id, due=at + LEASE)
            return found

    def delivered(self, delivery: Delivery, now: datetime) -> None:
        """The sink has taken it."""
        with self._database.writing() as connection:
            _set(
                connection,
                delivery.id,
                state="delivered",
                attempts=delivery.attempts + 1,
                due=utc(now),
                error=None,
            )

    def failed(self, delivery: Delivery, error: str, now: datetime) -> Delivery:
        """The sink has not taken it: it is due again later, or given up for good."""
        at = utc(now)
        wait = min(FIRST_WAIT * 2 ** min(delivery.attempts, 10), LONGEST_WAIT)
        gone = at - delivery.message.at > GIVE_UP_AFTER
        with self._database.writing() as connection:
            _set(
                connection,
                delivery.id,
                state="given_up" if gone else "waiting",
                attempts=delivery.attempts + 1,
                due=at + wait,
                error=error,
            )
        return replace(delivery, attempts=delivery.attempts + 1, due=at + wait, error=error)

    def undelivered(self) -> list[Delivery]:
        """What a sink has not taken yet or was given up, oldest first."""
        query = sa.select(table).where(table.c.state != "delivered").order_by(table.c.id)
        with self._database.reading() as connection:
            return [_delivery(row) for row in connection.execute(query)]


def _due(connection: sa.Connection, at: datetime) -> Delivery | None:
    waiting = sa.select(table).where(sa.text("state = 'waiting'"), table.c.due <= at)
    row = connection.execute(waiting.order_by(table.c.due, table.c.id).limit(1)).first()
    return row and _delivery(row)


def _set(connection: sa.Connection, delivery_id: int, **values: object) -> None:
    connection.execute(sa.update(table).where(table.c.id == delivery_id).values(**values))


def _delivery(row: sa.Row[tuple]) -> Delivery:
    return Delivery(
        id=row.id,
        sink=row.sink,
        message=msgspec.convert(row.document, Message),
        attempts=row.attempts,
        due=row.due,
        error=row.error,
    )
