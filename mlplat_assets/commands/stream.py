"""`mlplat features stream`: the consumers of the streamed views' sources, until a signal."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial

from filelock import FileLock, Timeout
from rich.console import Console

from mlplat_assets.catalogue import catalogue
from mlplat_assets.features.streaming.consumer import Stores, StreamConsumer
from mlplat_assets.features.streaming.reports import LandingReports, dagster_is_configured
from mlplat_assets.features.streaming.sources import StreamedSource, streamed_sources
from resources.event_stream import event_stream
from resources.lake import lake_from
from resources.online_store import online_store
from resources.settings import Settings


def stream(settings: Settings, console: Console, names: Sequence[str], *, replay: bool) -> None:
    """Feed the named streamed views, or all, until SIGTERM or SIGINT; then land what was read.

    Raises:
        LookupError: A name is no streamed view, or there is none.
        ValueError: A URL has an unknown scheme, or another consumer runs for a source.
    """
    sources = streamed_sources(catalogue(), names)
    if not sources:
        raise LookupError("no view is streamed; declare `stream: true` in a view's aggregates")
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    stores = Stores(
        stream=event_stream(settings.stream_url),
        lake=lake_from(settings),
        online=online_store(settings.online_url, settings.online_timeout),
    )
    stores.lake.snapshot()  # Opened here, once, before several threads use it.
    reports = LandingReports(sources)
    consumers = [
        StreamConsumer(
            source,
            stores,
            name=f"{socket.gethostname()}-{os.getpid()}",
            clock=partial(datetime.now, UTC),
            replay=replay,
            on_landed=partial(reports.add, source),
        )
        for source in sources
    ]
    with _alone(settings, sources), _stopped_by_signals(consumers):
        for source in sources:
            views = ", ".join(view.full_name for view in source.views)
            console.print(f"{source.name} feeds {views}")
        with _reporting(reports) if dagster_is_configured(settings) else ExitStack():
            _run(consumers)
    console.print("stopped; everything that was read has landed")


def _run(consumers: Sequence[StreamConsumer]) -> None:
    """Run all until each has ended; when one fails, the others stop."""
    with ThreadPoolExecutor(len(consumers)) as threads:
        running = {threads.submit(consumer.run) for consumer in consumers}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            if any(ended.exception() for ended in done):
                for consumer in consumers:
                    consumer.stopping.set()
            for ended in done:
                ended.result()


@contextmanager
def _alone(settings: Settings, sources: Sequence[StreamedSource]) -> Iterator[None]:
    """Keep a second consumer of a source out: state in two memories would be half in each."""
    folder = settings.home / "streams"
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        for source in sources:
            lock = FileLock(folder / f"{source.name}.lock", timeout=0)
            try:
                held.enter_context(lock)
            except Timeout as error:
                raise ValueError(
                    f"another process streams {source.name} already; stop it first"
                ) from error
        yield


@contextmanager
def _stopped_by_signals(consumers: Sequence[StreamConsumer]) -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        for consumer in consumers:
            consumer.stopping.set()

    before: dict[int, Callable | int | None] = {
        number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _reporting(reports: LandingReports) -> Iterator[None]:
    ended = threading.Event()
    thread = threading.Thread(target=reports.run, args=(ended,), name="reports")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
