"""Event streams in Redis: one stream with consumer groups, and one hash of counts, per source.

A message is one field, `row`, so that any Redis client can append:
`XADD mlplat:stream:{flights.departures} * row '{"flight_id": ...}'`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from resources.event_stream import EventStreamUnavailable, Message

_TIMEOUT_SECONDS = 5.0
_PAGE = 1000


class RedisEventStream:
    """The contract over redis-py, whose connections are shared by threads."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 1),
        )

    def append(self, stream: str, bodies: Sequence[bytes]) -> None:
        """Append in one transaction."""
        with self._unavailable_if_away(), self._client.pipeline(transaction=True) as pipeline:
            for body in bodies:
                pipeline.xadd(_key(stream), {"row": body})
            pipeline.hincrby(_counts(stream), "pushed", len(bodies))
            pipeline.execute()

    def join(self, stream: str, group: str) -> None:
        """Create the group at the beginning of the stream."""
        with self._unavailable_if_away():
            try:
                self._client.xgroup_create(_key(stream), group, id="0", mkstream=True)
            except redis.ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    def read(
        self, stream: str, group: str, consumer: str, *, count: int, wait_seconds: float
    ) -> list[Message]:
        """XREADGROUP of new messages, blocking."""
        # Zero would block for ever.
        block = max(1, round(wait_seconds * 1000))
        return self._read_group(stream, group, consumer, ">", count, block)

    def unacknowledged(
        self, stream: str, group: str, consumer: str, *, after: str, count: int
    ) -> list[Message]:
        """XREADGROUP of this consumer's own pending messages."""
        return self._read_group(stream, group, consumer, after, count, None)

    def take_over(self, stream: str, group: str, consumer: str) -> int:
        """XAUTOCLAIM of everything pending, then the other consumers are deleted."""
        key = _key(stream)
        with self._unavailable_if_away():
            others = [
                found
                for found in self._client.xinfo_consumers(key, group)  # type: ignore[union-attr]
                if found["name"].decode() != consumer
            ]
            start: Any = "0-0"
            while any(found["pending"] for found in others):
                answer: Any = self._client.xautoclaim(
                    key, group, consumer, min_idle_time=0, start_id=start, count=_PAGE, justid=False
                )
                start = answer[0]
                if start == b"0-0":
                    break
            for found in others:
                self._client.xgroup_delconsumer(key, group, found["name"])
        return sum(found["pending"] for found in others)

    def acknowledge(
        self,
        stream: str,
        group: str,
        ids: Iterable[str],
        *,
        add: Mapping[str, int],
        put: Mapping[str, int],
    ) -> None:
        """XACK and the counts in one transaction."""
        given = list(ids)
        with self._unavailable_if_away(), self._client.pipeline(transaction=True) as pipeline:
            for start in range(0, len(given), _PAGE):
                pipeline.xack(_key(stream), group, *given[start : start + _PAGE])
            for name, number in add.items():
                pipeline.hincrby(_counts(stream), name, number)
            if put:
                marks: dict[Any, Any] = dict(put)
                pipeline.hset(_counts(stream), mapping=marks)
            pipeline.execute()

    def trim(self, stream: str) -> None:
        """XTRIM below the oldest message that some group has yet to acknowledge."""
        key = _key(stream)
        with self._unavailable_if_away():
            groups: Any = self._client.xinfo_groups(key)
            wanted = []
            for group in groups:
                if group["pending"]:
                    summary: Any = self._client.xpending(key, group["name"])
                    # Acknowledged since: the next trim takes them.
                    oldest = summary["min"] or group["last-delivered-id"]
                    wanted.append(_order(oldest))
                else:
                    time, number = _order(group["last-delivered-id"])
                    wanted.append((time, number + 1))
            if wanted:
                time, number = min(wanted)
                self._client.xtrim(key, minid=f"{time}-{number}", approximate=False)

    def counts(self, stream: str) -> dict[str, int]:
        """The hash of counts."""
        with self._unavailable_if_away():
            found: Any = self._client.hgetall(_counts(stream))
        return {name.decode(): int(value) for name, value in found.items()}

    def lag(self, stream: str, group: str) -> int:
        """What XINFO GROUPS says is pending and unread."""
        with self._unavailable_if_away():
            if not self._client.exists(_key(stream)):
                return 0
            groups: Any = self._client.xinfo_groups(_key(stream))
            for found in groups:
                # Redis loses count of unread messages when one of them is deleted by hand.
                if found["name"].decode() == group and found["lag"] is not None:
                    return int(found["pending"] + found["lag"])
            return int(self._client.xlen(_key(stream)))  # type: ignore[arg-type]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _read_group(
        self, stream: str, group: str, consumer: str, after: str, count: int, block: int | None
    ) -> list[Message]:
        with self._unavailable_if_away():
            streams: Any = {_key(stream): after}
            try:
                answer: Any = self._client.xreadgroup(
                    group, consumer, streams, count=count, block=block
                )
            except redis.ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
                # The server lost the stream, or somebody deleted it: begin with what comes now.
                self.join(stream, group)
                return []
        entries = answer[0][1] if answer else []
        # A deleted message that is still pending comes without fields.
        return [Message(id.decode(), fields.get(b"row", b"")) for id, fields in entries if fields]

    @contextmanager
    def _unavailable_if_away(self) -> Iterator[None]:
        try:
            yield
        # Out of memory under `noeviction` passes when somebody makes room: as good as away.
        except (redis.ConnectionError, redis.TimeoutError, redis.OutOfMemoryError) as error:
            raise EventStreamUnavailable(f"event stream in Redis: {error}") from error


def _key(stream: str) -> str:
    # In braces: a cluster keeps the stream and its counts on one node, as a transaction needs.
    return f"mlplat:stream:{{{stream}}}"


def _counts(stream: str) -> str:
    return f"{_key(stream)}:counts"


def _order(id: bytes) -> tuple[int, int]:
    time, _, number = id.decode().partition("-")
    return int(time), int(number)
