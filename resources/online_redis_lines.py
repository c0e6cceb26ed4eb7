"""Connections to Redis, used by one thread at a time: a payload out, its replies back.

redis-py makes the connections (URL, TLS, password, database); its command layer is left out,
since it takes longer to pack and unpack a read than Redis takes to answer it.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.retry import Retry

from resources.online_store import OnlineStoreUnavailable

_Result = TypeVar("_Result")


class Payload(NamedTuple):
    """Packed commands, and how many replies they have."""

    commands: bytes
    replies: int


def pack(*arguments: bytes) -> bytes:
    """One command as Redis reads it."""
    parts = [b"*%d\r\n" % len(arguments)]
    parts += [b"$%d\r\n%b\r\n" % (len(argument), argument) for argument in arguments]
    return b"".join(parts)


class Lines:
    """The idle connections of a process, last used first."""

    def __init__(self, url: str, timeout: float) -> None:
        # Version 2 of the protocol: in version 3 a server may push messages between replies.
        self._pool: Any = redis.ConnectionPool.from_url(
            url,
            protocol=2,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
        )
        self._idle: deque[AbstractConnection] = deque()
        self._process = os.getpid()

    def connection(self) -> AbstractConnection:
        """A new connection of redis-py, not opened yet."""
        return self._pool.make_connection()

    def exchange(self, payload: Payload) -> list[Any]:
        """The replies to one payload."""
        return self._with_line(lambda line: _exchange(line, payload))

    def stream(self, payloads: Iterable[Payload]) -> Iterator[list[Any]]:
        """The replies to each payload, which must be safe to send twice.

        While Redis works on one, the next is packed and sent.
        """
        unanswered: deque[Payload] = deque()
        source = iter(payloads)
        answered: list[list[Any]] = []

        def run(line: AbstractConnection) -> None:
            for payload in unanswered:
                line.send_packed_command((payload.commands,), check_health=False)
            for payload in source:
                unanswered.append(payload)
                line.send_packed_command((payload.commands,), check_health=False)
                if len(unanswered) > 1:
                    answered.append(_replies(line, unanswered[0]))
                    unanswered.popleft()
            while unanswered:
                answered.append(_replies(line, unanswered[0]))
                unanswered.popleft()

        self._with_line(run)
        return iter(answered)

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().disconnect()

    def _with_line(self, use: Callable[[AbstractConnection], _Result]) -> _Result:
        if self._process != os.getpid():
            # A forked process must not speak on its parent's sockets.
            self._idle, self._process = deque(), os.getpid()
        try:
            line = self._idle.pop()
        except IndexError:
            line = self.connection()
        try:
            result = _once_more_if_dropped(line, use)
        except AWAY as error:
            line.disconnect()
            raise unavailable(error) from error
        except BaseException:
            line.disconnect()
            raise
        self._idle.append(line)
        return result


# What redis-py raises when the server is away or refuses.
AWAY = (redis.RedisError, OSError)


def unavailable(error: Exception) -> OnlineStoreUnavailable:
    """The store's own error for one of AWAY."""
    return OnlineStoreUnavailable(f"online store in Redis: {error}")


def _once_more_if_dropped(
    line: AbstractConnection, use: Callable[[AbstractConnection], _Result]
) -> _Result:
    """Servers drop idle connections: one immediate attempt on a new one, none after a timeout."""
    try:
        return use(line)
    except redis.ConnectionError:
        line.disconnect()
        return use(line)


def _exchange(line: AbstractConnection, payload: Payload) -> list[Any]:
    line.send_packed_command((payload.commands,), check_health=False)
    return _replies(line, payload)


def _replies(line: AbstractConnection, payload: Payload) -> list[Any]:
    return [line.read_response() for _ in range(payload.replies)]
