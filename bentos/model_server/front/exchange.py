"""A request whose head is known, and its answer, past uvicorn's parser and cycle."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bentos.model_server.front.refusal import HeaderPairs
from bentos.model_server.front.whole import whole_answer

# Of requests that a client sends before it has read the answer to the last one.
_HELD_BYTES = 64 * 1024


class Exchange:
    """One request at a time of one connection.

    Attributes:
        is_open: A request is not answered yet.
        disconnected: The client has hung up.
        is_last: The connection is closed after the answer.
    """

    __slots__ = ("_held", "_protocol", "disconnected", "is_last", "is_open")

    def __init__(self, protocol: HttpToolsProtocol) -> None:
        self.is_open = self.disconnected = self.is_last = False
        self._protocol = protocol
        self._held = bytearray()

    def hold(self, data: bytes) -> None:
        """Keep what came before the answer was given."""
        self._held += data
        if len(self._held) > _HELD_BYTES:
            self._protocol.flow.pause_reading()

    def reply(self, status: int, body: bytes, headers: HeaderPairs = ()) -> None:
        """Answer with JSON; a client that does not read is waited for, in a task."""
        if self._protocol.flow.write_paused:
            task = self._protocol.loop.create_task(self._drained(status, body, headers))
            _draining.add(task)
            task.add_done_callback(_draining.discard)
        else:
            self._write(status, body, headers)

    def close(self) -> None:
        """Hang up."""
        self._protocol.transport.close()

    async def _drained(self, status: int, body: bytes, headers: HeaderPairs) -> None:
        await self._protocol.flow.drain()
        if not self.disconnected:
            self._write(status, body, headers)

    def _write(self, status: int, body: bytes, headers: HeaderPairs) -> None:
        protocol, keeps = self._protocol, not self.is_last
        answer = whole_answer(status, protocol.server_state.default_headers, body, keeps, headers)
        protocol.transport.write(answer)
        self.is_open = False
        protocol.on_response_complete()
        if not keeps:
            protocol.transport.close()
        elif self._held:
            data, self._held = bytes(self._held), bytearray()
            protocol.data_received(data)


# The event loop itself keeps weak references only.
_draining: set[asyncio.Task[Any]] = set()
