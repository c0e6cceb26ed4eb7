"""The online store in Redis: one hash per view, `mlplat:online:<view>`, field = encoded key.

A held value is 16 bytes of order, event and created time as big-endian, then the row.
"""

import itertools
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from resources.online_store import (
    FeatureValues,
    KeyValue,
    OnlineRow,
    OnlineStoreUnavailable,
    StoredRow,
    ViewRequest,
    answer,
    encode_key,
    is_readable,
    microseconds,
    stored,
)

_TIMEOUT_SECONDS = 5.0
_BATCH = 1000
# Bytes are compared one by one: Lua's own string order follows the server's locale.
_WRITE = """
local function is_older(new, held)
  for i = 1, 16 do
    local x, y = new:byte(i), held:byte(i)
    if x ~= y then return x < y end
  end
  return false
end
local written = 0
for i = 1, #ARGV, 2 do
  local held = redis.call('hget', KEYS[1], ARGV[i])
  if not held or not is_older(ARGV[i + 1], held) then
    redis.call('hset', KEYS[1], ARGV[i], ARGV[i + 1])
    written = written + 1
  end
end
return written
"""


class RedisOnlineStore:
    """Writes go through one script, so that they stay monotone under concurrent writers."""

    def __init__(self, url: str) -> None:
        # One immediate retry replaces a connection that the server dropped while idle; waiting
        # longer would hold up every request of the serving process.
        self._client: Any = redis.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 1),
        )
        self._write = self._client.register_script(_WRITE)
        self._decode = msgspec.msgpack.Decoder(StoredRow).decode

    def write(self, view: str, rows: Iterable[OnlineRow]) -> int:
        """Write rows that are not older than what is held, a thousand at a time."""
        written = 0
        pending = filter(is_readable, rows)
        with self._unavailable_if_away():
            while batch := list(itertools.islice(pending, _BATCH)):
                arguments = [part for row in batch for part in (encode_key(row.key), _value(row))]
                written += int(self._write(keys=[_hash(view)], args=arguments))
        return written

    def read(self, requests: Sequence[ViewRequest], at: datetime) -> list[FeatureValues]:
        """Answers in request order, in one pipeline."""
        microseconds(at)
        with self._unavailable_if_away(), self._client.pipeline(transaction=False) as pipeline:
            for request in requests:
                pipeline.hget(_hash(request.view), encode_key(request.key))
            values: list[bytes | None] = pipeline.execute() if requests else []
        return [
            answer(request, self._decode(value[16:]) if value else None, at)
            for request, value in zip(requests, values, strict=True)
        ]

    def delete(self, view: str, keys: Iterable[tuple[KeyValue, ...]]) -> int:
        """Forget entities; returns how many were held."""
        fields = [encode_key(key) for key in keys]
        with self._unavailable_if_away():
            return int(self._client.hdel(_hash(view), *fields)) if fields else 0

    def count(self, view: str) -> int:
        """How many entities the view holds."""
        with self._unavailable_if_away():
            return int(self._client.hlen(_hash(view)))

    def clear(self, view: str) -> None:
        """Forget every entity of the view, freeing memory in the background."""
        with self._unavailable_if_away():
            self._client.unlink(_hash(view))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @contextmanager
    def _unavailable_if_away(self) -> Iterator[None]:
        try:
            yield
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise OnlineStoreUnavailable(f"online store in Redis: {error}") from error


def _hash(view: str) -> str:
    return f"mlplat:online:{view}"


def _value(row: OnlineRow) -> bytes:
    held = stored(row)
    # The sign is moved out of the way: times before 1970 order before later ones.
    order = struct.pack(">QQ", held.event + 2**63, held.created + 2**63)
    return order + msgspec.msgpack.encode(held)
