"""The online store in one SQLite file: readable while it is being written (WAL).

One connection reads and one writes, so that a sync holds up no reader of its own process.
"""

import asyncio
import itertools
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

from resources.online_rows import (
    Change,
    Packer,
    Reader,
    batched,
    decode_key,
    encode_key,
    microseconds,
)
from resources.online_store import (
    FeatureValues,
    Key,
    OnlineRow,
    OnlineStoreUnavailable,
    Replacement,
    SyncedPartition,
    ViewRequest,
)

# Rows of one transaction: other processes' writers wait for no more than these.
_BATCH = 10_000
# Keys of one statement; SQLite binds 32,766 variables at most.
_KEYS = 1000
_SCHEMA = """
create table if not exists online_row (
    view text not null,
    key blob not null,
    body blob not null,
    primary key (view, key)
) without rowid;
create table if not exists online_names (
    schema blob not null primary key,
    names blob not null
) without rowid;
create table if not exists online_synced (
    view text not null,
    partition_day text not null,
    digest text not null,
    snapshot integer not null,
    primary key (view, partition_day)
) without rowid;
"""
# Bytes 2 to 19 of a body are the order of its row; blobs compare byte by byte.
_PUT = """
insert into online_row (view, key, body) values (:view, :key, :row)
on conflict (view, key) do update set body = excluded.body
where substr(body, 2, 18) = :expected
   or substr(excluded.body, 2, 18) >= substr(body, 2, 18)
"""
_FORGET = """
delete from online_row where view = :view and key = :key and substr(body, 2, 18) = :expected
"""
_MARK = """
insert into online_synced (view, partition_day, digest, snapshot) values (?, ?, ?, ?)
on conflict (view, partition_day) do update
set digest = excluded.digest, snapshot = excluded.snapshot
"""


class SqliteOnlineStore:
    """Two connections, each shared by the threads of a process under a lock."""

    is_local = True

    def __init__(self, path: str, timeout: float) -> None:
        self._path = path
        self._reader = Reader()
        self._reading, self._writing = threading.Lock(), threading.Lock()
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with self._unavailable_if_locked():
            self._writes = _connect(path, timeout)
            self._writes.execute("pragma journal_mode = wal")
            self._writes.executescript(_SCHEMA)
            self._reads = _connect(path, timeout)

    def write(self, view: str, rows: Iterable[OnlineRow]) -> int:
        """Write rows that are not older than what is held, ten thousand a transaction."""
        return self._apply(view, rows)

    def replace(self, view: str, changes: Iterable[Replacement]) -> int:
        """Correct rows, ten thousand a transaction."""
        return self._apply(view, changes)

    def read(self, requests: Sequence[ViewRequest], at: datetime) -> list[FeatureValues]:
        """Answers in request order, one statement per view."""
        microseconds(at)
        keys: dict[str, list[bytes]] = {}
        wanted = [(request.view, encode_key(request.key)) for request in requests]
        for view, key in wanted:
            keys.setdefault(view, []).append(key)
        with self._reading, self._unavailable_if_locked():
            held = {view: self._held(view, view_keys) for view, view_keys in keys.items()}
            rows = [held[view].get(key) for view, key in wanted]
            answers, unknown = self._reader.answers(requests, rows, at)
            if unknown:
                for _, schema in unknown:
                    self._learn(schema)
                answers, _ = self._reader.answers(requests, rows, at)
        return answers

    async def aread(self, requests: Sequence[ViewRequest], at: datetime) -> list[FeatureValues]:
        """What `read` answers, from another thread: a file that is away blocks no loop."""
        return await asyncio.to_thread(self.read, requests, at)

    def delete(self, view: str, keys: Iterable[Key]) -> int:
        """Forget entities; returns how many were held."""
        records = [(view, encode_key(key)) for key in keys]
        statement = "delete from online_row where view = ? and key = ?"
        with self._transaction() as connection:
            return connection.executemany(statement, records).rowcount if records else 0

    def count(self, view: str) -> int:
        """How many entities the view holds."""
        (found,) = self._fetch("select count(*) from online_row where view = ?", view)
        return int(found[0])

    def keys(self, view: str) -> Iterator[Key]:
        """Every key of the view, a thousand at a time."""
        statement = "select key from online_row where view = ? and key > ? order by key limit ?"
        last = b""
        while page := self._fetch(statement, view, last, _KEYS):
            for (last,) in page:
                yield decode_key(last)

    def clear(self, view: str) -> None:
        """Forget every entity of the view and its sync state."""
        with self._transaction() as connection:
            connection.execute("delete from online_row where view = ?", (view,))
            connection.execute("delete from online_synced where view = ?", (view,))

    def synced(self, view: str) -> dict[date, SyncedPartition]:
        """The lake partitions that the held rows came from."""
        statement = "select partition_day, digest, snapshot from online_synced where view = ?"
        return {
            date.fromisoformat(day): SyncedPartition(digest=digest, snapshot=snapshot)
            for day, digest, snapshot in self._fetch(statement, view)
        }

    def mark_synced(self, view: str, partitions: Mapping[date, SyncedPartition]) -> None:
        """Add partitions to the sync state."""
        records = [
            (view, day.isoformat(), state.digest, state.snapshot)
            for day, state in partitions.items()
        ]
        with self._transaction() as connection:
            connection.executemany(_MARK, records)

    def close(self) -> None:
        """Close the connections."""
        self._reads.close()
        self._writes.close()

    def _apply(self, view: str, rows: Iterable[OnlineRow | Replacement]) -> int:
        packer = Packer(view)
        applied = 0
        for batch in batched(packer.changes(rows), _BATCH):
            with self._transaction() as connection:
                connection.executemany(
                    "insert or ignore into online_names values (?, ?)", packer.names.items()
                )
                for is_put, part in itertools.groupby(batch, key=lambda change: change[2] != b""):
                    statement = _PUT if is_put else _FORGET
                    parameters = (_parameters(view, change) for change in part)
                    applied += connection.executemany(statement, parameters).rowcount
        return applied

    def _held(self, view: str, keys: list[bytes]) -> dict[bytes, bytes]:
        found: list[tuple[bytes, bytes]] = []
        for start in range(0, len(keys), _KEYS):
            page = keys[start : start + _KEYS]
            marks = ",".join("?" * len(page))
            statement = f"select key, body from online_row where view = ? and key in ({marks})"  # noqa: S608
            found += self._reads.execute(statement, (view, *page))
        return dict(found)

    def _learn(self, schema: bytes) -> None:
        found = self._reads.execute("select names from online_names where schema = ?", (schema,))
        self._reader.learn(schema, found.fetchone()[0])

    def _fetch(self, statement: str, *parameters: object) -> list[tuple]:
        with self._reading, self._unavailable_if_locked():
            return self._reads.execute(statement, parameters).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._writing, self._unavailable_if_locked(), self._writes as connection:
            # immediate: a deferred one that reads first cannot wait for another writer.
            connection.execute("begin immediate")
            yield connection

    @contextmanager
    def _unavailable_if_locked(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise OnlineStoreUnavailable(f"online store {self._path}: {error}") from error


def _connect(path: str, timeout: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=timeout, isolation_level=None, check_same_thread=False
    )
    connection.execute("pragma synchronous = normal")
    return connection


def _parameters(view: str, change: Change) -> dict[str, str | bytes]:
    key, expected, row = change
    return {"view": view, "key": key, "expected": expected, "row": row}
