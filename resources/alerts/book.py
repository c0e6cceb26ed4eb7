"""The alert book: what is wrong now, what was, and what people said to it.

In the registry's database. What becomes of an alert is decided by a function that is handed in;
the book makes it one decision however many processes look at the same moment.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from resources.alerts import outbox, silences
from resources.alerts.records import (
    NOT_WRITTEN,
    Acknowledgement,
    Alert,
    Message,
    Severity,
    Silence,
    State,
    Step,
)
from resources.alerts.tables import alerts as table
from resources.registry import audit
from resources.registry.database import Database
from resources.registry.desk import Desk, Request, require_model, require_stated
from resources.registry.identity import Role
from resources.registry.records import Action, Event
from resources.registry.tables import utc

# The alerts that are not over and the silences in force, to what becomes of the alerts.
Decide = Callable[[Sequence[Alert], Sequence[Silence]], Sequence[Step]]
# The names of the sinks that are told of an alert.
Route = Callable[[Alert], Sequence[str]]


class AlertBook:
    """Alerts, acknowledgements and silences. Moments are UTC-aware; a naive one is refused.

    An acknowledgement needs a contributor and a silence an approver, once the registry has tokens;
    both are entries of the audit log. That an alert opens or resolves is an observation and needs
    nobody's token.
    """

    def __init__(self, database: Database, desk: Desk) -> None:
        self._database = database
        self._desk = desk

    def unresolved(self) -> list[Alert]:
        """Those that are open or pending, the worst first."""
        with self._database.reading() as connection:
            return _unresolved(connection)

    def open(self, model: str | None = None) -> list[Alert]:
        """Those that are open, the worst first; of a model, also those upstream that affect it."""
        found = [alert for alert in self.unresolved() if alert.state is State.OPEN]
        return [a for a in found if model is None or a.model == model or model in a.affects]

    def newest(self, limit: int, model: str | None = None) -> list[Alert]:
        """The last so many that ever opened, newest first."""
        query = sa.select(table.c.id, table.c.document).where(table.c.state != State.PENDING)
        if model is not None:
            query = query.where(table.c.model == model)
        with self._database.reading() as connection:
            return _read(connection, query.order_by(table.c.id.desc()).limit(limit))

    def find(self, alert_id: int) -> Alert:
        """One alert.

        Raises:
            LookupError: The book has no such alert.
        """
        with self._database.reading() as connection:
            return _find(connection, alert_id)

    def settle(self, decide: Decide, route: Route, now: datetime) -> list[Step]:
        """Write what becomes of the alerts, and put what is to be told into the outbox.

        `decide` is asked on a snapshot first, so that a look that changes nothing waits for
        nobody, and again once no other process writes.

        Returns:
            The steps as they were written.
        """
        at = utc(now)
        with self._database.reading() as connection:
            if not decide(_unresolved(connection), silences.standing(connection, at)):
                return []
        with self._database.writing() as connection:
            steps = decide(_unresolved(connection), silences.standing(connection, at))
            return [_write(connection, step, route, at) for step in steps]

    def acknowledge(self, alert_id: int, *, reason: str, actor: str = "") -> Alert:
        """Say that somebody has taken an open alert up. Needs a contributor.

        Raises:
            LookupError: The book has no such alert.
            ValueError: It is not open.
        """
        require_stated(reason=reason)
        asked = Request(what="acknowledgement", role=Role.CONTRIBUTOR, actor=actor)
        with self._desk.granted(asked) as granted:
            alert = _find(granted.connection, alert_id)
            if alert.state is not State.OPEN:
                raise ValueError(
                    f"alert {alert_id} is {alert.state}; `mlplat alerts list` shows open ones"
                )
            taken = Acknowledgement(by=granted.by.name, reason=reason, at=granted.at)
            event = Event(
                model=alert.model,
                action=Action.ALERT_ACKNOWLEDGED,
                actor=granted.by.name,
                role=granted.by.role,
                reason=f"alert {alert.id}, {alert.fingerprint}: {reason}",
            )
            audit.append(granted.connection, event, granted.at)
            alert = replace(alert, acknowledged=taken)
            _update(granted.connection, alert, granted.at)
            return alert

    def silence(
        self,
        model: str,
        *,
        until: datetime,
        reason: str,
        kind: str | None = None,
        subject: str | None = None,
        actor: str = "",
    ) -> Silence:
        """Tell nobody of a model's alerts until a moment. Needs an approver.

        Raises:
            ValueError: The moment is past, or `model` is no `team.name`.
        """
        require_stated(reason=reason)
        require_model(model)
        asked = Request(what="silence", role=Role.APPROVER, actor=actor, model=model)
        with self._desk.granted(asked) as granted:
            if utc(until) <= granted.at:
                raise ValueError(f"until {until:%Y-%m-%d %H:%M} is past; name a later end")
            wanted = Silence(
                id=NOT_WRITTEN,
                model=model,
                kind=kind,
                subject=subject,
                until=utc(until),
                reason=reason,
                made_by=granted.by.name,
                at=granted.at,
            )
            return silences.add(granted.connection, wanted, granted.by)

    def unsilence(self, silence_id: int, *, reason: str, actor: str = "") -> Silence:
        """End a silence before its time. Needs an approver.

        Raises:
            LookupError: No such silence is in force.
        """
        require_stated(reason=reason)
        asked = Request(what="end of a silence", role=Role.APPROVER, actor=actor)
        with self._desk.granted(asked) as granted:
            found = silences.standing(granted.connection, granted.at)
            for each in found:
                if each.id == silence_id:
                    return silences.end(
                        granted.connection, each, by=granted.by, reason=reason, at=granted.at
                    )
            known = ", ".join(str(each.id) for each in found) or "none"
            raise LookupError(f"no silence {silence_id} is in force; in force: {known}")

    def silences(self) -> list[Silence]:
        """Those in force now, oldest first."""
        with self._database.reading() as connection:
            return silences.standing(connection, utc(self._desk.clock()))


def _unresolved(connection: sa.Connection) -> list[Alert]:
    query = sa.select(table.c.id, table.c.document).where(table.c.state != State.RESOLVED)
    return _read(connection, query.order_by(table.c.severity, table.c.id))


def _find(connection: sa.Connection, alert_id: int) -> Alert:
    found = _read(connection, sa.select(table.c.id, table.c.document).where(table.c.id == alert_id))
    if not found:
        raise LookupError(f"there is no alert {alert_id}; `mlplat alerts list --all` shows them")
    return found[0]


def _read(connection: sa.Connection, query: sa.Select[Any]) -> list[Alert]:
    rows = connection.execute(query).all()
    return [replace(msgspec.convert(row.document, Alert), id=row.id) for row in rows]


def _write(connection: sa.Connection, step: Step, route: Route, at: datetime) -> Step:
    alert = step.alert
    if alert.opened_at is None and alert.state is State.RESOLVED:
        # It never opened, so there is nothing to remember.
        connection.execute(sa.delete(table).where(table.c.id == alert.id))
        return step
    if alert.id == NOT_WRITTEN:
        made = connection.execute(sa.insert(table).values(_row(alert, at)))
        alert = replace(alert, id=made.inserted_primary_key[0])
    _update(connection, alert, at)
    if step.says is not None:
        message = Message(says=step.says, alert=alert, at=at)
        outbox.put(connection, message, route(alert))
    return replace(step, alert=alert)


def _update(connection: sa.Connection, alert: Alert, at: datetime) -> None:
    connection.execute(sa.update(table).where(table.c.id == alert.id).values(_row(alert, at)))


def _row(alert: Alert, at: datetime) -> dict[str, Any]:
    return {
        "fingerprint": alert.fingerprint,
        "model": alert.model,
        "state": alert.state.value,
        "severity": Severity(alert.severity).value,
        "document": msgspec.to_builtins(alert),
        "at": at,
    }
