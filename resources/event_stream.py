"""Events on their way into features: one contract, Redis Streams or a SQLite queue behind it.

A stream is named like the source it feeds, `team.source`. Its messages are bytes with ids that
grow. A group reads every message at least once: one that was given to a consumer stays that
consumer's until it is acknowledged, or until another consumer takes it over.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol


class EventStreamUnavailable(RuntimeError):
    """The stream's server or file cannot be read or written now."""


class Message(NamedTuple):
    """One event as it was appended."""

    id: str
    body: bytes


class EventStream(Protocol):
    """The contract. Every method raises EventStreamUnavailable when the backend is away."""

    def append(self, stream: str, bodies: Sequence[bytes]) -> None:
        """Append messages in order, all or none; counts them as `pushed`."""
        ...

    def join(self, stream: str, group: str) -> None:
        """Let the group begin, with the oldest message that is kept; no effect on one that has."""
        ...

    def read(
        self, stream: str, group: str, consumer: str, *, count: int, wait_seconds: float
    ) -> list[Message]:
        """The next messages that no consumer of the group was given, now given to this one.

        Waits for the first one up to `wait_seconds`; empty when none came.
        """
        ...

    def unacknowledged(
        self, stream: str, group: str, consumer: str, *, after: str, count: int
    ) -> list[Message]:
        """Messages that this consumer was given and has not acknowledged, later than id `after`.

        `after` "0" begins with the oldest.
        """
        ...

    def take_over(self, stream: str, group: str, consumer: str) -> int:
        """Make what other consumers have not acknowledged this one's, and forget them.

        The caller knows that they are dead. Returns how many messages changed hands.
        """
        ...

    def acknowledge(
        self,
        stream: str,
        group: str,
        ids: Iterable[str],
        *,
        add: Mapping[str, int],
        put: Mapping[str, int],
    ) -> None:
        """Say that messages are done with; in the same step add to and set the stream's counts."""
        ...

    def trim(self, stream: str) -> None:
        """Remove messages that every group has acknowledged."""
        ...

    def counts(self, stream: str) -> dict[str, int]:
        """The stream's counts, those of `append` and of `acknowledge`."""
        ...

    def lag(self, stream: str, group: str) -> int:
        """How many messages the group has not acknowledged, those never read included."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


def event_stream(url: str) -> EventStream:
    """The streams at `sqlite:///PATH` or `redis://HOST:PORT/DB` (`rediss://` for TLS).

    Raises:
        ValueError: The URL has another scheme.
    """
    if url.startswith("sqlite:///"):
        from resources.event_stream_sqlite import SqliteEventStream

        return SqliteEventStream(url.removeprefix("sqlite:///"))
    if url.startswith(("redis://", "rediss://")):
        from resources.event_stream_redis import RedisEventStream

        return RedisEventStream(url)
    raise ValueError(f"event stream URL {url!r}: use sqlite:///PATH or redis://HOST:PORT/DB")
