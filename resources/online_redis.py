"""The online store in Redis: one hash per view, `mlplat:online:<view>`, field = encoded key.

A read is one HMGET per view in one write to the socket, whatever the number of entities; reads
of one turn of an event loop are one. Chosen
over the other layouts by bench/online_store.py: 4 views x 5 features, the same row bytes read by
redis-py (p50 microseconds, bench/results/online_store.json; compare within a column).

                                             1 entity   100 entities   bytes a row
    hash per view, one HGET per row             158         2,787          148
    string per row, one MGET                    144         1,056          184 and a key entry
    hash per view, one HMGET per view           162           886          148   <- this
    the same, packed by hand, whole answers     142         1,350

The last is this store, whose answers have a status for each feature. One value per entity would be
faster for 100 (four rows in one), but views differ in their keys, and each write would read and
rewrite the values of all views. A hash also counts, clears and lists its view without a scan of the
whole database, and is lost as a whole with its sync state.
"""

import asyncio
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from resources.online_redis_lines import AWAY, Lines, Payload, pack, unavailable
from resources.online_redis_loop import LoopLine
from resources.online_redis_scripts import COUNT, MARK, SYNCED, WRITE
from resources.online_redis_turns import Fields, Held, Turns
from resources.online_rows import (
    Change,
    Packer,
    Reader,
    batched,
    decode_key,
    encode_key,
    is_key,
    microseconds,
)
from resources.online_store import (
    FeatureValues,
    Key,
    OnlineRow,
    Replacement,
    SyncedPartition,
    ViewRequest,
)

# Changes of one script call, during which Redis answers nobody else: some 2 ms.
_BATCH = 1000
_SCAN = b"1000"


class RedisOnlineStore:
    """Writes go through one script, so that they stay monotone under concurrent writers."""

    is_local = False

    def __init__(self, url: str, timeout: float) -> None:
        self._timeout = timeout
        self._lines = Lines(url, timeout)
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Loop] = WeakKeyDictionary()
        self._reader = Reader()

    def write(self, view: str, rows: Iterable[OnlineRow]) -> int:
        """Write rows that are not older than what is held, a thousand at a time."""
        return self._apply(view, rows)

    def replace(self, view: str, changes: Iterable[Replacement]) -> int:
        """Correct rows, a thousand at a time."""
        return self._apply(view, changes)

    def read(self, requests: Sequence[ViewRequest], at: datetime) -> list[FeatureValues]:
        """Answers in request order, in one round trip."""
        if not requests:
            microseconds(at)  # which refuses a time without zone
            return []
        wanted = [(request.view, encode_key(request.key)) for request in requests]
        fields: dict[str, dict[bytes, None]] = {}
        for view, key in wanted:
            fields.setdefault(view, {})[key] = None
        held = _held(fields, self._lines.exchange(_reads(fields)))
        rows = [held[view][key] for view, key in wanted]
        answers, unknown = self._reader.answers(requests, rows, at)
        if unknown:
            self._learn(unknown, self._lines.exchange(_names(unknown)))
            answers, _ = self._reader.answers(requests, rows, at)
        return answers

    async def aread(self, requests: Sequence[ViewRequest], at: datetime) -> list[FeatureValues]:
        """What `read` answers; the tasks of a turn of an event loop share one round trip."""
        if not requests:
            microseconds(at)  # which refuses a time without zone
            return []
        running = asyncio.get_running_loop()
        loop = self._loops.get(running)
        if loop is None:
            loop = self._loops[running] = _Loop(LoopLine(self._lines.connection, self._timeout))
        wanted = [(request.view, encode_key(request.key)) for request in requests]
        try:
            held = await loop.turns.ask(wanted)
            rows = [held[view][key] for view, key in wanted]
            answers, unknown = self._reader.answers(requests, rows, at)
            if unknown:
                self._learn(unknown, await loop.line.exchange(_names(unknown)))
                answers, _ = self._reader.answers(requests, rows, at)
        except AWAY as error:
            raise unavailable(error) from error
        return answers

    def delete(self, view: str, keys: Iterable[Key]) -> int:
        """Forget entities; returns how many were held."""
        fields = [encode_key(key) for key in keys]
        return self._command(b"HDEL", _hash(view), *fields) if fields else 0

    def count(self, view: str) -> int:
        """How many entities the view holds."""
        return self._command(b"EVAL", COUNT, b"1", _hash(view))

    def keys(self, view: str) -> Iterator[Key]:
        """Every key of the view, about a thousand at a time."""
        seen: set[bytes] = set()
        cursor = b"0"
        while True:
            cursor, found = self._command(b"HSCAN", _hash(view), cursor, b"COUNT", _SCAN)
            fresh = {field for field in found[::2] if is_key(field)} - seen
            seen |= fresh
            yield from map(decode_key, fresh)
            if cursor == b"0":
                return

    def clear(self, view: str) -> None:
        """Forget every entity of the view and its sync state, freeing memory in the background."""
        self._command(b"UNLINK", _hash(view), _state(view))

    def synced(self, view: str) -> dict[date, SyncedPartition]:
        """The lake partitions that the held rows came from."""
        found = iter(self._command(b"EVAL", SYNCED, b"2", _hash(view), _state(view)))
        return {
            date.fromisoformat(day.decode()): msgspec.msgpack.decode(state, type=SyncedPartition)
            for day, state in zip(found, found, strict=True)
        }

    def mark_synced(self, view: str, partitions: Mapping[date, SyncedPartition]) -> None:
        """Add partitions to the sync state."""
        for batch in batched(partitions.items(), _BATCH):
            fields = [
                part
                for day, state in batch
                for part in (day.isoformat().encode(), msgspec.msgpack.encode(state))
            ]
            self._command(b"EVAL", MARK, b"2", _hash(view), _state(view), *fields)

    def close(self) -> None:
        """Close the connections that no thread or task is using."""
        self._lines.close()
        for loop in self._loops.values():
            loop.line.close()

    def _apply(self, view: str, rows: Iterable[OnlineRow | Replacement]) -> int:
        packer = Packer(view)
        batches = batched(packer.changes(rows), _BATCH)
        payloads = (_write(view, batch, packer.names) for batch in batches)
        return sum(applied for (applied,) in self._lines.stream(payloads))

    def _command(self, *arguments: bytes) -> Any:  # noqa: ANN401  (whatever the command gives)
        return self._lines.exchange(Payload(pack(*arguments), 1))[0]

    def _learn(self, unknown: list[tuple[str, bytes]], replies: list[bytes | None]) -> None:
        for (_, schema), names in zip(unknown, replies, strict=True):
            if names is not None:
                self._reader.learn(schema, names)


class _Loop:
    """What one event loop reads by."""

    def __init__(self, line: LoopLine) -> None:
        self.line = line
        self.turns = Turns(self._fetch)

    async def _fetch(self, fields: Fields) -> Held:
        return _held(fields, await self.line.exchange(_reads(fields)))


def _hash(view: str) -> bytes:
    return b"mlplat:online:" + view.encode()


def _state(view: str) -> bytes:
    return _hash(view) + b":synced"


def _reads(fields: Fields) -> Payload:
    commands = [pack(b"HMGET", _hash(view), *keys) for view, keys in fields.items()]
    return Payload(b"".join(commands), len(commands))


def _held(fields: Fields, replies: list[list[bytes | None]]) -> Held:
    return {
        view: dict(zip(keys, reply, strict=True))
        for (view, keys), reply in zip(fields.items(), replies, strict=True)
    }


def _names(unknown: list[tuple[str, bytes]]) -> Payload:
    commands = [pack(b"HGET", _hash(view), b"names:" + schema) for view, schema in unknown]
    return Payload(b"".join(commands), len(commands))


def _write(view: str, batch: Sequence[Change], names: dict[bytes, bytes]) -> Payload:
    schemas = [part for schema, listed in names.items() for part in (b"names:" + schema, listed)]
    parts = itertools.chain.from_iterable(batch)
    count = b"%d" % len(names)
    return Payload(pack(b"EVAL", WRITE, b"1", _hash(view), count, *schemas, *parts), 1)
