"""Connections that cost too much: slow ones, endless headers, too many of them.

uvicorn has a timeout for idle connections only: a client that sends one byte a minute holds its
connection for good.
"""

from asyncio import AbstractEventLoop, Transport
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bentos.model_server.meter import Meter

# For the headers, for the body, and for reading an answer that the kernel has no room for.
PATIENCE_SECONDS = 10.0
# What a connection that was accepted last may take to send its request.
LAST_SECONDS = 0.5
HEADER_BYTES = 64 * 1024
# A connection takes 12 kB with its buffers; more than these are a fault or an attack.
CONNECTIONS = 4096
_SWEEP_SECONDS = 1.0


def _plain(status: bytes, error: bytes) -> bytes:
    body = b'{"error": "%s"}' % error
    length = str(len(body)).encode()
    return (
        b"HTTP/1.1 " + status + b"\r\ncontent-type: application/json\r\ncontent-length: " + length
        + b"\r\nretry-after: 1\r\nconnection: close\r\n\r\n" + body
    )  # fmt: skip


_FULL = _plain(b"503 Service Unavailable", b"this process has all the connections it takes")
_SLOW = _plain(b"408 Request Timeout", b"the request took longer than 10 seconds to arrive")
_LONG = _plain(b"431 Request Header Fields Too Large", b"the headers are longer than 65536 bytes")


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with a deadline for whatever is under way.

    A request that arrives in one piece costs a few comparisons and no timer: deadlines are
    looked at once a second, for all connections together.
    """

    meter: ClassVar[Meter] = Meter()
    limit: ClassVar[int] = CONNECTIONS
    _closes: ClassVar[bool] = False
    _swept: ClassVar[AbstractEventLoop | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # There are no WebSockets here.
        self.ws_protocol_class = None
        self._cut_at = self.loop.time() + PATIENCE_SECONDS
        self._is_in_body = False
        self._stuck_at = 0.0
        self._header_bytes = 0
        self._idle_until = 0.0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Take a connection, or turn it away."""
        if len(self.connections) >= self.limit:
            self.meter.counts["connections_refused"] += 1
            transport.write(_FULL)
            transport.close()
            return
        super().connection_made(transport)
        if GuardedProtocol._swept is not self.loop:
            GuardedProtocol._swept = self.loop
            self.loop.call_later(_SWEEP_SECONDS, self._sweep)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        if self.transport is not None:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came; note whether the request is whole by now."""
        if self.transport is None or self.transport.is_closing():
            return
        self._idle_until = 0.0
        super().data_received(data)
        cycle = self.cycle
        if cycle is not None and cycle.scope is self.scope:
            if not cycle.more_body and not cycle.response_complete:
                self._cut_at = 0.0
                self._header_bytes = 0
                if self._closes:
                    cycle.keep_alive = False
                return
            self._wait(is_in_body=True)
        else:
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES:
                self._cut(_LONG)
                return
            self._wait(is_in_body=False)

    def on_response_complete(self) -> None:
        """uvicorn's, without its timer for each answer: the sweep ends idle connections."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self._idle_until = self.loop.time() + self.timeout_keep_alive

    def shutdown(self) -> None:
        """Close after the answer under way; one without may have a request on its way."""
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LAST_SECONDS, self._end)
        else:
            self._end()

    def _end(self) -> None:
        super().shutdown()

    @staticmethod
    def close_after_answers() -> None:
        """From now on every answer closes its connection, and says so in its headers."""
        GuardedProtocol._closes = True

    def pause_writing(self) -> None:
        """The client does not read."""
        self._stuck_at = self.loop.time() + PATIENCE_SECONDS
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._stuck_at = 0.0
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, in the form of our other refusals."""
        self.transport.write(_plain(b"400 Bad Request", msg.encode()))
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """A line of the log for each would be a way to fill a disk."""

    def _wait(self, *, is_in_body: bool) -> None:
        """Give the client its time for this part, once."""
        if not self._cut_at or is_in_body != self._is_in_body:
            self._cut_at = self.loop.time() + PATIENCE_SECONDS
            self._is_in_body = is_in_body

    def _cut(self, answer: bytes) -> None:
        self.meter.counts["connections_cut"] += 1
        if self.transport.is_closing():
            return
        cycle = self.cycle
        is_unanswered = self._is_in_body and not cycle.response_started
        if cycle is None or is_unanswered or (not self._is_in_body and cycle.response_complete):
            self.transport.write(answer)
        self.transport.close()

    def _look(self, now: float) -> None:
        if self._stuck_at and now > self._stuck_at:
            self.meter.counts["connections_cut"] += 1
            self.transport.abort()
        elif self._idle_until:
            if now > self._idle_until:
                self.transport.close()
        elif self._cut_at and now > self._cut_at:
            self._cut(_SLOW)

    def _sweep(self) -> None:
        now = self.loop.time()
        for connection in list(self.connections):
            if isinstance(connection, GuardedProtocol):
                connection._look(now)
        if self.connections:
            self.loop.call_later(_SWEEP_SECONDS, self._sweep)
        else:
            GuardedProtocol._swept = None
