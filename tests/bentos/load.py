"""Clients that keep asking, and know exactly what came of each request."""

import asyncio
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_HEAD = "POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@dataclass
class Load:
    """Clients on kept connections until `stop`, or until nothing listens any more.

    `failed` are requests that were sent and not answered 200: a connection that broke, or a
    refusal. A connection that could not be made sent nothing, and ends its client.
    """

    port: int
    body: dict[str, Any]
    clients: int = 16
    token: str = ""
    statuses: Counter[int] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    connections: int = 0
    turned_away: int = 0

    def __post_init__(self) -> None:
        data = json.dumps(self.body).encode()
        head = f"{_HEAD}Authorization: Bearer {self.token}\r\n" if self.token else _HEAD
        self._request = f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()))

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End every client after its present request."""
        self._stop.set()
        self._thread.join()

    def wait_for(self, answers: int) -> None:
        """Wait until so many more requests were answered."""
        wanted = self.statuses.total() + answers
        while self.statuses.total() < wanted and self._thread.is_alive():
            self._stop.wait(0.01)

    def wait_until_nothing_listens(self) -> None:
        """Wait until every client was turned away."""
        self._thread.join(30)
        assert not self._thread.is_alive(), "the service still listens"

    async def _all(self) -> None:
        await asyncio.gather(*(self._client() for _ in range(self.clients)))

    async def _client(self) -> None:
        while not self._stop.is_set():
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except ConnectionRefusedError:
                self.turned_away += 1
                return
            self.connections += 1
            try:
                await self._ask(reader, writer)
            except (OSError, asyncio.IncompleteReadError) as error:
                self.failed.append(f"{type(error).__name__}: {error}")
            finally:
                writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not self._stop.is_set():
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode().lower().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines[1:] if line)
            body = await reader.readexactly(int(headers["content-length"]))
            status = int(lines[0].split()[1])
            self.statuses[status] += 1
            if status != 200:
                self.failed.append(f"{status}: {body[:200].decode()}")
            if headers.get("connection") == "close":
                return
