"""The consumer that scores a stream: read, score, journal, publish, acknowledge.

Every step may happen again after a death. The journal then holds a prediction twice, with one id,
and the lake takes it in once; readers of the stream of results tell repeats by the same id.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TypeVar

import msgspec

from bentos.model_server.journal.segments import Journal, JournalUnavailable
from mlplat_assets.features.streaming.sources import InvalidRows, StreamedSource
from mlplat_assets.scoring.event_answers import EventScorer, Scored
from resources.event_stream import EventStream, EventStreamUnavailable, Message
from resources.online_store import OnlineStoreUnavailable

_READ = 500
_WAIT_SECONDS = 0.2
_RETRY_SECONDS = 1.0
# How long the champion of before may go on after a promotion, plus one read.
_LOOK_SECONDS = 2.0
_log = logging.getLogger(__name__)
T = TypeVar("T")


class _Stopped(Exception):
    """The consumer is to end and a store is away; what was not acknowledged comes again."""


@dataclass(kw_only=True)
class EventStores:
    """Where events come from, and where their predictions go."""

    stream: EventStream
    journal: Journal


class ScoringConsumer:
    """Scores one source for one model. Only one may run at a time.

    `champion` gives the scorer of the version in production, made anew only when that changed.
    """

    def __init__(
        self, stores: EventStores, champion: Callable[[], EventScorer], *, name: str
    ) -> None:
        self._stores, self._champion, self._name = stores, champion, name
        self._scorer = champion()
        self._looked = monotonic()
        self.stopping = threading.Event()

    @property
    def source(self) -> StreamedSource:
        """What is scored."""
        return self._scorer.requests.source

    @property
    def group(self) -> str:
        """The consumer group, one for each model."""
        return group_of(self._scorer.requests.model)

    def run(self) -> None:
        """Score until `stopping` is set.

        Raises:
            LookupError: A version in production cannot be asked by events of this source.
        """
        stream, name = self._stores.stream, self.source.name
        read = partial(
            stream.read, name, self.group, self._name, count=_READ, wait_seconds=_WAIT_SECONDS
        )
        try:
            self._begin()
            while not self.stopping.is_set():
                if monotonic() - self._looked > _LOOK_SECONDS:
                    self._scorer, self._looked = self._champion(), monotonic()
                if given := self._retry(read):
                    self._take(given)
        except _Stopped as stopped:
            _log.warning("%s", stopped)

    def _begin(self) -> None:
        """Take the place of a dead consumer, with the messages that it did not acknowledge."""
        stream, name = self._stores.stream, self.source.name
        self._retry(partial(stream.join, name, self.group))
        self._retry(partial(stream.take_over, name, self.group, self._name))
        waiting = partial(
            stream.unacknowledged, name, self.group, self._name, after="0", count=_READ
        )
        while given := self._retry(waiting):
            self._take(given)

    def _take(self, given: Sequence[Message]) -> None:
        """Score messages; they are acknowledged last, when their predictions cannot be lost."""
        scored = self._retry(partial(self._scored, given))
        for record in scored.records:
            self._retry(partial(self._stores.journal.append, record))
        results = f"{self._scorer.requests.model}.scores"
        written = {results: scored.records, f"{results}.refused": scored.refused}
        for stream, documents in written.items():
            if documents:
                bodies = [msgspec.json.encode(document) for document in documents]
                self._retry(partial(self._stores.stream.append, stream, bodies))
        self._retry(
            partial(
                self._stores.stream.acknowledge,
                self.source.name,
                self.group,
                [message.id for message in given],
                add={f"{self.group}.scored": len(scored.records)},
                put={},
            )
        )
        self._retry(partial(self._stores.stream.trim, self.source.name))

    def _scored(self, given: Sequence[Message]) -> Scored:
        rows, broken = [], []
        for message in given:
            try:
                rows += self.source.decode(b"[" + message.body + b"]", self._scorer.clock())
            except InvalidRows as error:
                body = message.body.decode(errors="replace")
                broken.append({"message": body, "error": str(error)})
        found = self._scorer.score(rows)
        return Scored(records=found.records, refused=[*broken, *found.refused])

    def _retry(self, attempt: Callable[[], T]) -> T:
        """Try until the store is back, or raise _Stopped when the consumer is to end before."""
        while True:
            try:
                return attempt()
            except (EventStreamUnavailable, OnlineStoreUnavailable, JournalUnavailable) as error:
                _log.warning("%s; trying again in %s s", error, _RETRY_SECONDS)
                if self.stopping.wait(_RETRY_SECONDS):
                    raise _Stopped(f"stopped while a store is away: {error}") from error


def group_of(model: str) -> str:
    """The consumer group that scores for a model."""
    return f"scores.{model}"
