"""Word of a change as it is committed, through PostgreSQL. SQLite has none: there one polls."""

from contextlib import suppress
from threading import Event

import psycopg
import sqlalchemy as sa

CHANNEL = "mlplat_traffic"
_CONNECT_SECONDS = 5
_LISTENING = 10


def tell(connection: sa.Connection, model: str) -> None:
    """Tell every listener of the model when this transaction is committed."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("select pg_notify(:channel, :model)"), _said(model))


def _said(model: str) -> dict[str, str]:
    return {"channel": CHANNEL, "model": model}


class Notices:
    """Waits for word of a model's versions or traffic, or for the time to look anyway.

    While the server is away it only waits. One thread uses it.
    """

    def __init__(self, url: str, model: str) -> None:
        found = sa.make_url(url)
        self._model = model
        self._url = found.set(drivername="postgresql") if _speaks(found) else None
        self._connection: psycopg.Connection | None = None

    def wait(self, stop: Event, seconds: float) -> None:
        """Return at a word of the model, when told to stop, or when it is time to look anyway.

        That is after so many seconds; while the server tells of every change, ten times as many.
        """
        if self._url is None:
            stop.wait(seconds)
            return
        try:
            connection = self._connection or self._listen(self._url)
            for _ in range(_LISTENING):
                if stop.is_set() or self._hears(connection, seconds):
                    return
        except psycopg.Error:
            self.close()
            stop.wait(seconds)

    def close(self) -> None:
        """Stop listening; a later wait listens again."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _hears(self, connection: psycopg.Connection, seconds: float) -> bool:
        heard = list(connection.notifies(timeout=seconds, stop_after=1))
        return any(notice.payload == self._model for notice in heard)

    def _listen(self, url: sa.URL) -> psycopg.Connection:
        text = url.render_as_string(hide_password=False)
        connection = psycopg.connect(text, autocommit=True, connect_timeout=_CONNECT_SECONDS)
        connection.execute(f"listen {CHANNEL}")
        self._connection = connection
        return connection


def _speaks(url: sa.URL) -> bool:
    return url.get_backend_name() == "postgresql"
