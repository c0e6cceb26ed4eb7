"""The connections of a service: whole requests for predictions go straight to `Direct`.

`bentoml serve` lets nobody choose the protocol class, so `guard_connections` puts this one where
uvicorn looks up the class that it calls `auto`.
"""

import resource
from typing import Any, ClassVar

from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from bentos.model_server.front.direct import PATH, Direct, Work
from bentos.model_server.front.exchange import Exchange
from bentos.model_server.front.gate import BODY_BYTES
from bentos.model_server.front.protocol import CONNECTIONS, GuardedProtocol

# Files that the process needs besides: models, journal, stores.
_OTHER_FILES = 128


class DirectProtocol(GuardedProtocol):
    """Looks for requests that need neither uvicorn's parser nor its cycle."""

    # Answers a whole request for a prediction; what it returns is run as a task.
    at_once: ClassVar[Direct | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gathered: tuple[RequestResponseCycle, Any] | None = None
        self._exchange = Exchange(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._exchange.disconnected = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came: a request whose head is known, or something to parse."""
        if self._exchange.is_open:
            self._exchange.hold(data)
        elif self.at_once is None or not self._is_between():
            super().data_received(data)
        elif not self._is_taken(self.at_once, data):
            before = self.cycle
            super().data_received(data)
            cycle = self.cycle
            # What is no HTTP, or not all of a head, leaves the cycle of the request before.
            if cycle is not before and not cycle.more_body and _is_direct(cycle):
                self.at_once.learn(data, cycle)

    def on_headers_complete(self) -> None:
        """A request's headers are there."""
        super().on_headers_complete()
        if self._gathered is not None and _is_too_long(self.headers):
            self._hand_on()  # which refuses it before it is read

    def on_body(self, body: bytes) -> None:
        """Take a part of a body; one that is too long is left to the application to refuse."""
        super().on_body(body)
        if self._gathered is not None and len(self.cycle.body) > BODY_BYTES:
            self._hand_on()

    def on_message_complete(self) -> None:
        """A request is whole."""
        super().on_message_complete()
        if self._gathered is not None and self._gathered[0] is self.cycle:
            self._gathered = None
            self._answer(self.cycle)

    def _end(self) -> None:
        if self._exchange.is_open:
            self._exchange.is_last = True
        else:
            super()._end()

    def _is_between(self) -> bool:
        """Whether nothing of a request is there that is not answered."""
        cycle = self.cycle
        if self._header_bytes or self.pipeline or self.transport is None:
            return False
        return cycle is None or (cycle.response_complete and not cycle.more_body)

    def _is_taken(self, at_once: Direct, data: bytes) -> bool:
        """Whether the data are a whole request that needs no parser."""
        if self.transport.is_closing():
            return False
        self._exchange.is_last = self._closes
        self._idle_until = 0.0
        try:
            work = at_once.take(data, self._exchange)
        except BaseException:
            self.transport.close()
            raise
        if work is False:
            return False
        self._cut_at = 0.0
        self._begin(work)
        return True

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401
        """Begin a request whose headers are there."""
        if self.at_once is None or not _is_direct(cycle) or cycle.waiting_for_100_continue:
            super()._start_asgi_task(cycle, app)
        elif cycle.more_body:
            self._gathered = cycle, app
        else:
            self._answer(cycle)

    def _hand_on(self) -> None:
        assert self._gathered is not None
        gathered, self._gathered = self._gathered, None
        super()._start_asgi_task(*gathered)

    def _answer(self, cycle: RequestResponseCycle) -> None:
        if self._closes:
            cycle.keep_alive = False
        assert self.at_once is not None
        try:
            work = self.at_once(cycle)
        except BaseException:
            self.transport.close()
            raise
        self._begin(work)

    def _begin(self, work: Work | None) -> None:
        if work is not None:
            task = self.loop.create_task(work)
            task.add_done_callback(self.tasks.discard)
            self.tasks.add(task)


def _is_direct(cycle: RequestResponseCycle) -> bool:
    return cycle.scope["path"] == PATH and cycle.scope["method"] == "POST"


def _is_too_long(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a body says that it is longer than a prediction's may be."""
    length = dict(headers).get(b"content-length", b"0")
    return len(length) > 9 or int(length) > BODY_BYTES


def guard_connections() -> None:
    """Have the server that this process starts use `DirectProtocol`."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    GuardedProtocol.limit = max(1, min(CONNECTIONS, files - _OTHER_FILES))
    HTTP_PROTOCOLS["auto"] = f"{DirectProtocol.__module__}:{DirectProtocol.__qualname__}"
