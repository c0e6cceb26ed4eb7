"""Reads of one turn of an event loop, asked of Redis together: each key of a view once.

Requests that wait at the same time ask for many of the same rows, such as the weather of an
airport, and for each one hiredis takes a command and a reply apart: with 7 views and 16 requests
in a turn 112 of them, and 7 this way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

# What is asked of each view, and the bytes that Redis holds.
Fields = Mapping[str, Mapping[bytes, None]]
Held = Mapping[str, Mapping[bytes, bytes | None]]


class Turns:
    """Used from its own event loop only; `fetch` gives what is held of all that a turn asked."""

    def __init__(self, fetch: Callable[[Fields], Awaitable[Held]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._fetch = fetch
        self._fields: dict[str, dict[bytes, None]] = {}
        self._readers: list[asyncio.Future[Held]] = []
        self._running: set[asyncio.Task[None]] = set()

    def ask(self, wanted: Sequence[tuple[str, bytes]]) -> "asyncio.Future[Held]":
        """What is held for at least these views and keys, once the turn has ended."""
        if not self._readers:
            self._loop.call_soon(self._end_turn)
        for view, key in wanted:
            fields = self._fields.get(view)
            if fields is None:
                fields = self._fields[view] = {}
            fields[key] = None
        reader: asyncio.Future[Held] = self._loop.create_future()
        self._readers.append(reader)
        return reader

    def _end_turn(self) -> None:
        fields, self._fields = self._fields, {}
        readers, self._readers = self._readers, []
        task = self._loop.create_task(self._run(fields, readers))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, fields: Fields, readers: Sequence["asyncio.Future[Held]"]) -> None:
        try:
            held = await self._fetch(fields)
        except BaseException as error:
            for reader in readers:
                if not reader.done():
                    reader.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for reader in readers:
            if not reader.done():
                reader.set_result(held)
