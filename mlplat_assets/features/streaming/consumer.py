"""The consumer of one source's stream: read, apply, write online, land in the lake, acknowledge.

Two threads. The first reads messages, applies them and writes the views' newest rows online,
within milliseconds. The second lands what has gathered every second, in one transaction, and then
acknowledges the messages: a dbt run that holds the lake's lock delays landing, never serving.

Every step may happen again: after a death the state is built from the landed source rows, and the
messages that were not acknowledged are applied once more, to the same rows.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeVar

import duckdb

from mlplat_assets.features.streaming.aggregates import Applied, SourceRow
from mlplat_assets.features.streaming.landing import Batch, land, landed
from mlplat_assets.features.streaming.online import newest_rows
from mlplat_assets.features.streaming.sources import (
    EPOCH,
    MICROSECOND,
    InvalidRows,
    StreamedSource,
    aggregates_of,
    moment,
)
from mlplat_assets.features.streaming.tiles import ViewRow
from resources.event_stream import EventStream, EventStreamUnavailable, Message
from resources.lake import Lake
from resources.lake_digests import PartitionVersion
from resources.online_store import OnlineStore, OnlineStoreUnavailable

GROUP = "features"
_LAND_SECONDS = 1.0
_WAIT_SECONDS = 0.2
_RETRY_SECONDS = 1.0
_READ = 1000
# Landing that cannot keep up stops the reading, before memory is full.
_GATHERED = 200_000
_log = logging.getLogger(__name__)
T = TypeVar("T")


class _Stopped(Exception):
    """The consumer is to end and a store is away; what was not acknowledged comes again."""


Landed = Callable[[list[PartitionVersion], "set[int]"], None]


@dataclass(kw_only=True)
class _Gathered:
    """What was applied since the last landing, and the messages that brought it."""

    batch: Batch = field(default_factory=Batch)
    ids: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    late: set[int] = field(default_factory=set)


@dataclass(kw_only=True)
class Stores:
    """What a consumer reads from and writes to."""

    stream: EventStream
    lake: Lake
    online: OnlineStore


class StreamConsumer:
    """One source's consumer. Only one may run at a time: state is in memory, and whole."""

    def __init__(
        self,
        source: StreamedSource,
        stores: Stores,
        *,
        name: str,
        clock: Callable[[], datetime],
        replay: bool = False,
        on_landed: Landed = lambda versions, late: None,
    ) -> None:
        """Remember the parts.

        `clock` moves event time on when the rows do not; in a `replay` of the past rows alone do.
        """
        self._source, self._stores, self._name = source, stores, name
        self._clock, self._replay = clock, replay
        self._on_landed = on_landed
        self._state = source.state()
        self._gathered = _Gathered()
        self._lock = threading.Lock()
        self.stopping = threading.Event()

    def run(self) -> None:
        """Consume until `stopping` is set, then land what is left."""
        self._begin()
        ended = threading.Event()
        with ThreadPoolExecutor(1, thread_name_prefix="landing") as threads:
            landing = threads.submit(self._land_until, ended)
            try:
                self._consume()
            except _Stopped as stopped:
                _log.warning("%s", stopped)
            finally:
                ended.set()
            landing.result()

    def _begin(self) -> None:
        """Take the place of a dead consumer: its messages, and its state from the lake."""
        stream, name = self._stores.stream, self._source.name
        self._retry(partial(stream.join, name, GROUP))
        self._retry(partial(stream.take_over, name, GROUP, self._name))
        self._state.load(landed(self._stores.lake, self._source))
        after = "0"
        while given := self._retry(
            partial(stream.unacknowledged, name, GROUP, self._name, after=after, count=_READ)
        ):
            self._take(given)
            after = given[-1].id

    def _consume(self) -> None:
        stream, name = self._stores.stream, self._source.name
        read = partial(
            stream.read, name, GROUP, self._name, count=_READ, wait_seconds=_WAIT_SECONDS
        )
        stopped = False
        while not stopped:
            stopped = self.stopping.is_set()
            given = self._retry(read)
            if given:
                self._take(given)
            # Behind, rows move time: those before the clock are yet to be read.
            if not self._replay and len(given) < _READ:
                self._advance(self._clock())
            while len(self._gathered.batch) > _GATHERED and not self.stopping.wait(0.05):
                pass

    def _take(self, given: Sequence[Message]) -> None:
        rows, refused = self._decoded(given)
        applied = self._state.apply(rows)
        self._write_online(applied.rows)
        with self._lock:
            self._gather(given, rows, applied, refused)

    def _decoded(self, given: Sequence[Message]) -> tuple[list[SourceRow], int]:
        now, rows = self._clock(), []
        try:
            # One list is decoded faster than a thousand rows.
            bodies = b",".join(message.body for message in given)
            return self._source.decode(b"[" + bodies + b"]", now), 0
        except InvalidRows:
            pass
        refused: list[bytes] = []
        for message in given:
            try:
                rows += self._source.decode(b"[" + message.body + b"]", now)
            except InvalidRows as error:
                _log.error("message %s of %s: %s", message.id, self._source.name, error)
                refused.append(message.body)
        # Kept where somebody can look at them: no consumer could ever apply them.
        self._retry(partial(self._stores.stream.append, f"{self._source.name}.refused", refused))
        return rows, len(refused)

    def _gather(
        self, given: Sequence[Message], rows: Sequence[SourceRow], applied: Applied, refused: int
    ) -> None:
        gathered = self._gathered
        gathered.ids += [message.id for message in given]
        gathered.batch.fresh += applied.fresh
        gathered.batch.add_rows(applied.rows)
        if applied.duplicates:
            gathered.batch.days |= {moment(row.ts).date() for row in rows}
        gathered.late |= {row.ts for row in applied.late}
        gathered.counts.update(
            applied=len(applied.fresh),
            late=len(applied.late),
            duplicate=applied.duplicates,
            refused=refused,
        )

    def _advance(self, to: datetime) -> None:
        rows = self._state.advance((to - EPOCH) // MICROSECOND)
        if rows:
            self._write_online(rows)
            with self._lock:
                self._gathered.batch.add_rows(rows)

    def _write_online(self, rows: dict[str, list[ViewRow]]) -> None:
        for view in self._source.views:
            if view.spec.online and (found := rows.get(view.full_name)):
                newest = newest_rows(found, tuple(aggregates_of(view).features))
                write = partial(self._stores.online.write, view.full_name, newest)
                self._retry(write)

    def _land_until(self, ended: threading.Event) -> None:
        try:
            while not ended.wait(_LAND_SECONDS):
                self._land()
            self._land()
        except _Stopped as stopped:
            _log.warning("%s", stopped)
        finally:
            # A consumer that cannot land must not go on reading.
            self.stopping.set()

    def _land(self) -> None:
        with self._lock:
            gathered, self._gathered = self._gathered, _Gathered()
            newest = self._state.newest
        if not gathered.ids and not gathered.batch:
            return
        versions = self._retry(
            partial(land, self._stores.lake, self._source, gathered.batch, self._name)
        )
        # Only now: what is not in the lake must come again.
        stream, name = self._stores.stream, self._source.name
        put = {} if newest is None else {"newest_event": newest}
        self._retry(
            partial(stream.acknowledge, name, GROUP, gathered.ids, add=gathered.counts, put=put)
        )
        self._retry(partial(stream.trim, name))
        self._on_landed(versions, gathered.late)

    def _retry(self, attempt: Callable[[], T]) -> T:
        """Try until the store is back, or raise _Stopped when the consumer is to end before."""
        while True:
            try:
                return attempt()
            except (EventStreamUnavailable, OnlineStoreUnavailable, duckdb.Error) as error:
                _log.warning("%s; trying again in %s s", error, _RETRY_SECONDS)
                if self.stopping.wait(_RETRY_SECONDS):
                    raise _Stopped(f"stopped while a store is away: {error}") from error
