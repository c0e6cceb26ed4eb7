"""Event streams in one SQLite file: a queue for one machine."""

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from resources.event_stream import EventStreamUnavailable, Message

_BUSY_SECONDS = 30.0
_POLL_SECONDS = 0.01
_SCHEMA = """
create table if not exists messages (
    id integer primary key autoincrement, stream text not null, body blob not null
);
create index if not exists by_stream on messages (stream, id);
create table if not exists groups (
    stream text not null, name text not null, delivered integer not null,
    primary key (stream, name)
) without rowid;
create table if not exists pending (
    stream text not null, name text not null, id integer not null, consumer text not null,
    primary key (stream, name, id)
) without rowid;
create table if not exists counts (
    stream text not null, name text not null, value integer not null, primary key (stream, name)
) without rowid;
"""
_NEW = """
select id, body from messages
where stream = :stream
  and id > (select delivered from groups where stream = :stream and name = :name)
order by id limit :count
"""
_OWN = """
select id, body from pending join messages using (stream, id)
where stream = ? and name = ? and consumer = ? and id > ? order by id limit ?
"""
_ADD = """
insert into counts (stream, name, value) values (?, ?, ?)
on conflict (stream, name) do update set value = value + excluded.value
"""
_TRIM = """
delete from messages
where stream = :stream
  and id <= (select min(delivered) from groups where stream = :stream)
  and not exists (select 1 from pending where stream = :stream and id = messages.id)
"""
_LAG = """
select (select count(*) from pending where stream = :stream and name = :name)
     + (select count(*) from messages where stream = :stream and id > coalesce(
           (select delivered from groups where stream = :stream and name = :name), 0))
"""


class SqliteEventStream:
    """One connection, shared by the threads of a process under a lock."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with self._unavailable_if_locked():
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("pragma journal_mode = wal")
            # full: an acknowledged push outlives a loss of power.
            self._connection.execute("pragma synchronous = full")
            self._connection.executescript(_SCHEMA)

    def append(self, stream: str, bodies: Sequence[bytes]) -> None:
        """Append in one transaction."""
        with self._transaction() as connection:
            connection.executemany(
                "insert into messages (stream, body) values (?, ?)",
                [(stream, body) for body in bodies],
            )
            connection.execute(_ADD, (stream, "pushed", len(bodies)))

    def join(self, stream: str, group: str) -> None:
        """Begin before the first message."""
        with self._transaction() as connection:
            connection.execute("insert or ignore into groups values (?, ?, 0)", (stream, group))

    def read(
        self, stream: str, group: str, consumer: str, *, count: int, wait_seconds: float
    ) -> list[Message]:
        """Look again until there are messages or the time is up."""
        deadline = time.monotonic() + wait_seconds
        wanted = {"stream": stream, "name": group, "count": count}
        while not self._select(_NEW, wanted | {"count": 1}):
            if time.monotonic() >= deadline:
                return []
            time.sleep(_POLL_SECONDS)
        with self._transaction() as connection:
            found = connection.execute(_NEW, wanted).fetchall()
            if not found:
                return []
            connection.executemany(
                "insert into pending values (?, ?, ?, ?)",
                [(stream, group, id, consumer) for id, _ in found],
            )
            connection.execute(
                "update groups set delivered = ? where stream = ? and name = ?",
                (found[-1][0], stream, group),
            )
        return _messages(found)

    def unacknowledged(
        self, stream: str, group: str, consumer: str, *, after: str, count: int
    ) -> list[Message]:
        """The consumer's pending messages."""
        return _messages(self._select(_OWN, (stream, group, consumer, int(after), count)))

    def take_over(self, stream: str, group: str, consumer: str) -> int:
        """Give every pending message to this consumer."""
        with self._transaction() as connection:
            return connection.execute(
                "update pending set consumer = ? where stream = ? and name = ? and consumer <> ?",
                (consumer, stream, group, consumer),
            ).rowcount

    def acknowledge(
        self,
        stream: str,
        group: str,
        ids: Iterable[str],
        *,
        add: Mapping[str, int],
        put: Mapping[str, int],
    ) -> None:
        """Remove from the pending messages and count, in one transaction."""
        with self._transaction() as connection:
            connection.executemany(
                "delete from pending where stream = ? and name = ? and id = ?",
                [(stream, group, int(id)) for id in ids],
            )
            connection.executemany(_ADD, [(stream, *count) for count in add.items()])
            connection.executemany(
                "insert or replace into counts values (?, ?, ?)",
                [(stream, *count) for count in put.items()],
            )

    def trim(self, stream: str) -> None:
        """Delete what every group was given and has acknowledged."""
        with self._transaction() as connection:
            connection.execute(_TRIM, {"stream": stream})

    def counts(self, stream: str) -> dict[str, int]:
        """The table of counts."""
        return dict(self._select("select name, value from counts where stream = ?", (stream,)))

    def lag(self, stream: str, group: str) -> int:
        """Pending and undelivered messages."""
        return self._select(_LAG, {"stream": stream, "name": group})[0][0]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _select(self, sql: str, values: Mapping[str, object] | Sequence[object]) -> list[tuple]:
        with self._lock, self._unavailable_if_locked():
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._unavailable_if_locked(), self._connection as connection:
            # immediate: a deferred one that reads first cannot wait for another writer.
            connection.execute("begin immediate")
            yield connection

    @contextmanager
    def _unavailable_if_locked(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise EventStreamUnavailable(f"event stream {self._path}: {error}") from error


def _messages(found: Sequence[tuple]) -> list[Message]:
    return [Message(str(id), body) for id, body in found]
