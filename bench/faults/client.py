"""A client that checks every answer: what it asked, when, and what became of it.

wrk counts; this remembers. It runs on a thread of its own, each connection asking its next
request when the last one is answered, and stays on a connection until the server says otherwise.
"""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httptools
import msgspec

ANSWER_SECONDS = 20.0
# How long one waits before it connects again to a port where nobody listens.
_AGAIN_SECONDS = 0.01
# A connection stays with the worker that took it, so a worker that started later would get none.
_REQUESTS_PER_CONNECTION = 100


class Said(msgspec.Struct, frozen=True):
    """What an answer must have to count as an acknowledged prediction."""

    prediction_id: str
    prediction: float
    version: int
    variant: str


class Asked(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request: sent and done in seconds since 1970; status 0 and why where none came."""

    unit: str
    sent: float
    done: float
    status: int
    why: str = ""
    prediction_id: str = ""
    version: int = 0
    variant: str = ""

    @property
    def acknowledged(self) -> bool:
        """Whether a prediction was answered."""
        return self.status == 200 and bool(self.prediction_id)


class _Answers(asyncio.Protocol):
    """One connection; `answer` is done when the message is complete or the connection is lost."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.keeps = True
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.keeps = False
        if self.answer and not self.answer.done():
            self.answer.set_exception(exc or ConnectionResetError("closed without an answer"))

    def on_message_begin(self) -> None:
        self._body = b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self.keeps = self.keeps and self._parser.should_keep_alive()
        if self.answer and not self.answer.done():
            self.answer.set_result((self._parser.get_status_code(), self._body))


class Client:
    """Asks until told to stop.

    Attributes:
        asked: Every request, in the order of their ends.
        refused: How often nobody listened: no request was sent, so none failed.
    """

    def __init__(self, port: int, bodies: Path, connections: int) -> None:
        self.asked: list[Asked] = []
        self.refused = 0
        self._port = port
        self._requests = prepared(bodies)
        self._connections = connections
        self._stop = threading.Event()

    @contextmanager
    def asking(self) -> Iterator["Client"]:
        """Ask for the length of the context; the requests under way at its end are waited for."""
        thread = threading.Thread(target=lambda: asyncio.run(self._all()))
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    async def _all(self) -> None:
        share = len(self._requests) // self._connections
        each = [self._requests[i * share : (i + 1) * share] for i in range(self._connections)]
        await asyncio.gather(*(self._one(requests) for requests in each))

    async def _one(self, requests: Sequence[tuple[str, bytes]]) -> None:
        protocol: _Answers | None = None
        turn = 0
        while not self._stop.is_set():
            worn = turn % _REQUESTS_PER_CONNECTION == 0
            if protocol is None or not protocol.keeps or worn:
                if protocol is not None:
                    protocol.transport.close()
                protocol = await self._connected()
                if protocol is None:
                    continue
            unit, data = requests[turn % len(requests)]
            turn += 1
            self.asked.append(await _ask(protocol, unit, data))
        if protocol is not None:
            protocol.transport.close()

    async def _connected(self) -> _Answers | None:
        try:
            loop = asyncio.get_running_loop()
            _, protocol = await loop.create_connection(_Answers, "127.0.0.1", self._port)
            return protocol
        except OSError:
            self.refused += 1
            await asyncio.sleep(_AGAIN_SECONDS)
            return None


def prepared(bodies: Path) -> list[tuple[str, bytes]]:
    """Unit and whole request of each body of a file."""
    found: list[tuple[str, bytes]] = []
    for line in bodies.read_bytes().splitlines():
        head = (
            "POST /v1/predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"content-length: {len(line)}\r\n\r\n"
        )
        found.append((msgspec.json.decode(line)["unit_id"], head.encode() + line))
    return found


async def _ask(protocol: _Answers, unit: str, data: bytes) -> Asked:
    protocol.answer = asyncio.get_running_loop().create_future()
    sent = time.time()
    assert isinstance(protocol.transport, asyncio.WriteTransport)
    protocol.transport.write(data)
    try:
        status, body = await asyncio.wait_for(protocol.answer, ANSWER_SECONDS)
    except (OSError, TimeoutError) as error:
        protocol.keeps = False
        why = f"{type(error).__name__}: {error}"
        return Asked(unit=unit, sent=sent, done=time.time(), status=0, why=why)
    done = time.time()
    if status != 200:
        why = body[:120].decode(errors="replace")
        return Asked(unit=unit, sent=sent, done=done, status=status, why=why)
    said = msgspec.json.decode(body, type=Said)
    return Asked(
        unit=unit,
        sent=sent,
        done=done,
        status=status,
        prediction_id=said.prediction_id,
        version=said.version,
        variant=said.variant,
    )
