"""What the online store bench times: our store, bare redis-py on its data, and other layouts."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import redis
import redis.asyncio
import uvloop

from bench.online_store_data import LAST, TTL, VIEWS
from resources.online_store import FeatureValues, OnlineStore, ViewRequest

Keys = Sequence[str]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


def requests(keys: Keys) -> list[ViewRequest]:
    """Every feature of these entities."""
    return [
        ViewRequest(view=view, key=(key,), features=features, ttl=TTL)
        for key in keys
        for view, features in VIEWS.items()
    ]


class Ours:
    """The online store; a call begins with the entities' names and ends with values by name."""

    def __init__(self, store: OnlineStore) -> None:
        self._store = store

    def read(self, keys: Keys) -> list[FeatureValues]:
        """Every feature of these entities."""
        return self._store.read(requests(keys), LAST)

    async def aread(self, keys: Keys) -> list[FeatureValues]:
        """The same, from an event loop."""
        return await self._store.aread(requests(keys), LAST)


class Floor:
    """A pipeline of one HMGET per view with redis-py, each row decoded and nothing else done."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)
        self._url = url
        self._hashes = [f"mlplat:online:{view}" for view in VIEWS]

    def read(self, keys: Keys) -> list[Any]:
        """The rows of these entities, by view."""
        fields = [_encode((key,)) for key in keys]
        pipeline: Any = self._client.pipeline(transaction=False)
        for name in self._hashes:
            pipeline.hmget(name, fields)
        return [_decode(row) for rows in pipeline.execute() for row in rows]

    def opened(self) -> redis.asyncio.Redis:
        """A client for an event loop."""
        return redis.asyncio.Redis.from_url(self._url)

    async def aread(self, client: Any, keys: Keys) -> list[Any]:  # noqa: ANN401
        """The same, from an event loop."""
        fields = [_encode((key,)) for key in keys]
        pipeline = client.pipeline(transaction=False)
        for name in self._hashes:
            pipeline.hmget(name, fields)
        return [_decode(row) for rows in await pipeline.execute() for row in rows]


class Layouts:
    """The layouts that were not chosen, with bare redis-py and the same row bytes."""

    def __init__(self, url: str, rows: dict[str, dict[str, bytes]]) -> None:
        self._client: Any = redis.Redis.from_url(url)
        pipeline: Any = self._client.pipeline(transaction=False)
        for view, held in rows.items():
            for key, row in held.items():
                pipeline.set(f"string:{view}:{key}", row)
        for key in rows[next(iter(rows))]:
            whole = _encode([_decode(held[key]) for held in rows.values()])
            pipeline.set(f"entity:{key}", whole)
        pipeline.execute()
        self._hashes = [f"mlplat:online:{view}" for view in VIEWS]

    def hget_each(self, keys: Keys) -> list[Any]:
        """A hash per view, a pipeline of one HGET per view and entity."""
        pipeline: Any = self._client.pipeline(transaction=False)
        for key in keys:
            for name in self._hashes:
                pipeline.hget(name, _encode((key,)))
        return [_decode(row) for row in pipeline.execute()]

    def mget_strings(self, keys: Keys) -> list[Any]:
        """A string per view and entity, one MGET."""
        names = [f"string:{view}:{key}" for key in keys for view in VIEWS]
        return [_decode(row) for row in self._client.mget(names)]

    def mget_entities(self, keys: Keys) -> list[Any]:
        """A string per entity, all its views in it, one MGET."""
        return [_decode(row) for row in self._client.mget([f"entity:{key}" for key in keys])]


def timed(read: Callable[[Keys], object], keys: Keys) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    read(keys)
    return time.perf_counter() - started


def timed_tasks(
    read: Callable[[Keys], Any], batches: Sequence[Keys], clients: int
) -> tuple[list[float], float]:
    """Seconds of each call and of all, with as many tasks as clients, each waiting for its own."""

    async def run() -> tuple[list[float], float]:
        waiting = iter(batches)
        seconds: list[float] = []

        async def client() -> None:
            for keys in waiting:
                started = time.perf_counter()
                await read(keys)
                seconds.append(time.perf_counter() - started)

        await read(batches[0])
        started = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(clients)))
        return seconds, time.perf_counter() - started

    return uvloop.run(run())
