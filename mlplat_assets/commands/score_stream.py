"""`mlplat score-stream`: each event of a stream through a model's champion, until a signal."""

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from filelock import FileLock, Timeout
from rich.console import Console
from sqlalchemy.exc import DBAPIError

from bentos.model_server.journal.segments import Journal
from mlplat_assets.catalogue import catalogue
from mlplat_assets.commands.stores import opened_registry
from mlplat_assets.models.evaluations.served import load
from mlplat_assets.scoring.event_answers import EventScorer
from mlplat_assets.scoring.event_consumer import EventStores, ScoringConsumer
from mlplat_assets.scoring.events import event_requests
from resources.artifacts import artifact_store
from resources.event_stream import event_stream
from resources.online_store import online_store
from resources.registry.records import Version
from resources.registry.registry import Registry
from resources.settings import Settings

_log = logging.getLogger(__name__)


class Champion:
    """The scorer of the version in production; the one before while the registry is away."""

    def __init__(
        self, registry: Registry, model: str, scorer_of: Callable[[Version], EventScorer]
    ) -> None:
        self._registry, self._model, self._scorer_of = registry, model, scorer_of
        self._held: EventScorer | None = None

    def __call__(self) -> EventScorer:
        """The scorer to go on with.

        Raises:
            LookupError: No version is in production, or it cannot be asked by these events.
        """
        try:
            version = self._registry.champion(self._model)
        except DBAPIError as error:
            if self._held is None:
                raise
            _log.warning("the registry is away; version %d goes on: %s", self._held.version, error)
            return self._held
        if version is None:
            raise LookupError(
                f"{self._model} has no version in production; promote one with "
                f"`mlplat models promote {self._model} VERSION`"
            )
        if self._held is None or self._held.artifact_digest != version.artifact_digest:
            self._held = self._scorer_of(version)
        if self._held.version != version.number:
            self._held = replace(self._held, version=version.number)
        return self._held


def score_stream(settings: Settings, console: Console, model: str, source: str | None) -> None:
    """Score the events of a streamed source until SIGTERM or SIGINT.

    Raises:
        LookupError: No version is in production, or no streamed source has what it takes.
        ValueError: Another process scores for the model, or a URL has an unknown scheme.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    artifacts = artifact_store(settings.artifacts_url, settings.home / "cache")
    online = online_store(settings.online_url, settings.online_timeout)
    clock = partial(datetime.now, UTC)

    def scorer_of(version: Version) -> EventScorer:
        served = load(artifacts, version.artifact_digest, threads=1)
        return EventScorer(
            version=version.number,
            artifact_digest=version.artifact_digest,
            served=served,
            requests=event_requests(served.card, catalogue(), source),
            online=online,
            clock=clock,
        )

    stores = EventStores(
        stream=event_stream(settings.stream_url), journal=Journal(settings.journal / model, clock)
    )
    with opened_registry(settings) as registry, _alone(settings, model):
        champion = Champion(registry, model, scorer_of)
        consumer = ScoringConsumer(stores, champion, name=f"{socket.gethostname()}-{os.getpid()}")
        with _stopped_by_signals(consumer):
            version = champion().version
            console.print(f"{consumer.source.name} is scored by {model} version {version}")
            consumer.run()
    console.print("stopped; everything that was read is in the journal")


@contextmanager
def _alone(settings: Settings, model: str) -> Iterator[None]:
    """Keep a second consumer out: it would take the messages of the first for a dead one's."""
    folder = settings.home / "streams"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{model}.scores.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ValueError(f"another process scores for {model} already; stop it first") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _stopped_by_signals(consumer: ScoringConsumer) -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        consumer.stopping.set()

    signals = (signal.SIGTERM, signal.SIGINT)
    before: dict[int, Callable | int | None] = {n: signal.signal(n, stop) for n in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
