"""The online store in one SQLite file: readable while it is being written (WAL)."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from resources.online_store import (
    FeatureValues,
    KeyValue,
    OnlineRow,
    OnlineStoreUnavailable,
    StoredRow,
    Value,
    ViewRequest,
    answer,
    encode_key,
    is_readable,
    stored,
)

_BUSY_SECONDS = 30.0
_SCHEMA = """
create table if not exists online (
    view text not null,
    key blob not null,
    event integer not null,
    created integer not null,
    part text not null,
    body blob not null,
    primary key (view, key)
) without rowid
"""
_WRITE = """
insert into online (view, key, event, created, part, body) values (?, ?, ?, ?, ?, ?)
on conflict (view, key) do update
set event = excluded.event, created = excluded.created,
    part = excluded.part, body = excluded.body
where (excluded.event, excluded.created) >= (online.event, online.created)
"""
_READ = "select event, created, part, body from online where view = ? and key = ?"
_DELETE = "delete from online where view = ? and key = ?"


class SqliteOnlineStore:
    """One connection, shared by the threads of a process under a lock."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._decode = msgspec.msgpack.Decoder(dict[str, Value]).decode
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with self._unavailable_if_locked():
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("pragma journal_mode = wal")
            self._connection.execute("pragma synchronous = normal")
            self._connection.execute(_SCHEMA)

    def write(self, view: str, rows: Iterable[OnlineRow]) -> int:
        """Write rows that are not older than what is held, in one transaction."""
        encode = msgspec.msgpack.encode
        records = [
            (view, encode_key(row.key), held.event, held.created, held.partition, body)
            for row in filter(is_readable, rows)
            if (held := stored(row)) and (body := encode(held.values))
        ]
        with self._transaction() as connection:
            return connection.executemany(_WRITE, records).rowcount if records else 0

    def read(self, requests: Sequence[ViewRequest], at: datetime) -> list[FeatureValues]:
        """Answers in request order."""
        with self._lock, self._unavailable_if_locked():
            return [answer(request, self._row(request), at) for request in requests]

    def delete(self, view: str, keys: Iterable[tuple[KeyValue, ...]]) -> int:
        """Forget entities; returns how many were held."""
        records = [(view, encode_key(key)) for key in keys]
        with self._transaction() as connection:
            return connection.executemany(_DELETE, records).rowcount if records else 0

    def count(self, view: str) -> int:
        """How many entities the view holds."""
        with self._lock, self._unavailable_if_locked():
            found = self._connection.execute("select count(*) from online where view = ?", (view,))
            return int(found.fetchone()[0])

    def clear(self, view: str) -> None:
        """Forget every entity of the view."""
        with self._transaction() as connection:
            connection.execute("delete from online where view = ?", (view,))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _row(self, request: ViewRequest) -> StoredRow | None:
        cursor = self._connection.execute(_READ, (request.view, encode_key(request.key)))
        found = cursor.fetchone()
        if found is None:
            return None
        event, created, partition, body = found
        return StoredRow(event, created, partition, self._decode(body))

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
            raise OnlineStoreUnavailable(f"online store {self._path}: {error}") from error
