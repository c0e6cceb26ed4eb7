"""Ending without a failed request.

At SIGTERM a process says at /readyz that it takes no more, goes on answering, and has every
answer close its connection, so that clients come back through a load balancer that has looked at
/readyz meanwhile. Then uvicorn ends as it always does, with hardly a connection left to wait for.
"""

import asyncio
import signal
from collections.abc import Callable
from logging import getLogger
from types import FrameType
from typing import Any

DRAIN_SECONDS = 2.0
_log = getLogger("bentoml.mlplat.drain")

Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None


class Drain:
    """Whether this process is ending; `begun` is called when it begins to."""

    def __init__(self, begun: Callable[[], None], seconds: float = DRAIN_SECONDS) -> None:
        self.is_on = False
        self._begun = begun
        self._seconds = seconds
        self._handlers: dict[int, Handler] = {}

    def start(self) -> None:
        """Take SIGTERM over from the server that runs this event loop, in its main thread."""
        loop = asyncio.get_running_loop()

        def begin(number: int, frame: FrameType | None) -> None:
            # A signal handler interrupts anything; the event loop goes on at its own time.
            loop.call_soon_threadsafe(self._begin, loop, number)

        self._handlers[signal.SIGTERM] = signal.signal(signal.SIGTERM, begin)

    def _begin(self, loop: asyncio.AbstractEventLoop, number: int) -> None:
        if self.is_on:
            return
        self.is_on = True
        self._begun()
        _log.info("ending: not ready any more, and closing connections for %g s", self._seconds)
        loop.call_later(self._seconds, self._end, number)

    def _end(self, number: int) -> None:
        handler = self._handlers.get(number)
        if callable(handler):
            handler(number, None)
        else:
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
            signal.raise_signal(number)
