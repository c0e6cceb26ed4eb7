"""One connection to Redis for all tasks of an event loop: requests queue up, replies come in order.

Concurrent reads share writes to the socket's buffer and replies share reads from it, which is
several times cheaper than a connection, and its wake-ups, for each. The socket is used without
asyncio's streams, whose cost per reply is that of the whole read.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any

import hiredis
import redis

from resources.online_redis_lines import Payload

_CHUNK = 65_536
_NO_REPLY = object()
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class LoopLine:
    """Used from its own event loop only; `connection` makes an unopened redis-py connection."""

    def __init__(self, connection: Callable[[], Any], timeout: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._make = connection
        self._timeout = timeout
        self._opening = asyncio.Lock()
        self._connection: Any = None
        self._socket: Any = None
        self._parser: Any = None
        self._waiting: deque[tuple[asyncio.Future[list[Any]], int]] = deque()
        self._replies: list[Any] = []
        self._unsent = bytearray()

    async def exchange(self, payload: Payload) -> list[Any]:
        """The replies to one payload, within the timeout.

        Raises:
            redis.RedisError: The server is away or refused.
        """
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    return await self._exchange(payload)
                except redis.ConnectionError:
                    return await self._exchange(payload)
        except TimeoutError:
            self.close(redis.ConnectionError("another request on this connection timed out"))
            raise redis.TimeoutError(f"no answer within {self._timeout:g} s") from None

    def close(self, reason: Exception | None = None) -> None:
        """Drop the connection; whoever waits for a reply is told the reason."""
        if self._socket is None:
            return
        if not self._loop.is_closed():
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            for future, _ in self._waiting:
                if not future.done():
                    future.set_exception(reason or redis.ConnectionError("the store was closed"))
        self._connection.disconnect()
        self._connection = self._socket = None

    async def _exchange(self, payload: Payload) -> list[Any]:
        while self._socket is None:
            await self._open()
        future = self._loop.create_future()
        self._waiting.append((future, payload.replies))
        self._send(payload.commands)
        return await future

    async def _open(self) -> None:
        async with self._opening:
            if self._socket is not None:
                return
            connection = self._make()
            # Handshake, password and database take a few waits: once per connection, in a thread.
            await asyncio.to_thread(connection.connect)
            self._connection, self._socket = connection, connection._sock
            self._socket.setblocking(False)
            self._parser = hiredis.Reader(notEnoughData=_NO_REPLY)
            self._waiting, self._replies, self._unsent = deque(), [], bytearray()
            self._loop.add_reader(self._socket, self._receive)

    def _send(self, data: bytes) -> None:
        # With what the other tasks of this turn of the loop ask: a system call costs more than the
        # packing of a read, and wakes the server up.
        if not self._unsent:
            self._loop.call_soon(self._send_turn, self._socket)
        self._unsent += data

    def _send_turn(self, asked: Any) -> None:  # noqa: ANN401  (redis-py's socket, TLS or not)
        if asked is not self._socket:
            return  # closed meanwhile; who asked was told
        del self._unsent[: self._sent(self._unsent)]
        if self._socket is not None and self._unsent:
            self._loop.add_writer(self._socket, self._send_rest)

    def _send_rest(self) -> None:
        del self._unsent[: self._sent(self._unsent)]
        if self._socket is not None and not self._unsent:
            self._loop.remove_writer(self._socket)

    def _sent(self, data: bytes | bytearray) -> int:
        try:
            return self._socket.send(data)
        except _WOULD_BLOCK:
            return 0
        except OSError as error:
            self.close(redis.ConnectionError(f"sending failed: {error}"))
            return len(data)

    def _receive(self) -> None:
        try:
            # Until it would block: TLS may hold more than the socket shows.
            while data := self._socket.recv(_CHUNK):
                self._parser.feed(data)
        except _WOULD_BLOCK:
            self._hand_out()
            return
        except OSError as error:
            self.close(redis.ConnectionError(f"receiving failed: {error}"))
            return
        self._hand_out()
        self.close(redis.ConnectionError("the server closed the connection"))

    def _hand_out(self) -> None:
        while (reply := self._parser.gets()) is not _NO_REPLY:
            self._replies.append(reply)
            future, wanted = self._waiting[0]
            if len(self._replies) < wanted:
                continue
            self._waiting.popleft()
            replies, self._replies = self._replies, []
            if future.done():
                continue  # its reader has gone
            refused = next((part for part in replies if isinstance(part, Exception)), None)
            if refused is None:
                future.set_result(replies)
            else:
                future.set_exception(redis.ResponseError(str(refused)))
