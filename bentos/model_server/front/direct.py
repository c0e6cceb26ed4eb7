"""Predictions without a task: from a request that is whole to the batch, and from it to the socket.

A task, its wake-ups and the two ways through ASGI cost about a tenth of a request with full
features: 104 to 113 microseconds of processor time with them, 94 to 100 without, at 32 connections.
So the protocol hands over a whole request for a prediction itself, and the batch writes its answer;
one with a head that was seen before is not parsed either, which took a sixth off (58 to 48).
Everything else, and what the server must ask for first, goes through `Front`.
"""

import asyncio
from collections.abc import Coroutine
from time import perf_counter
from typing import Any, Literal, Protocol

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from bentos.model_server.answering.refusals import retry_after
from bentos.model_server.endpoint import Endpoint
from bentos.model_server.front.admission import OVERLOADED, Overloaded
from bentos.model_server.front.asgi import JSON, caller_of, send_answer
from bentos.model_server.front.exchange import Exchange
from bentos.model_server.front.gate import Admitted, Gate
from bentos.model_server.front.heads import Heads
from bentos.model_server.front.refusal import HeaderPairs, Refusal
from bentos.model_server.front.whole import sent_whole
from bentos.model_server.request.contract import Request
from bentos.model_server.routing.versions import Choice

PATH = "/v1/predict"
Work = Coroutine[Any, Any, None]


class Line(Protocol):
    """Where one answer goes."""

    @property
    def disconnected(self) -> bool:
        """Whether the client has hung up."""
        ...

    def reply(self, status: int, body: bytes, headers: HeaderPairs = ()) -> None:
        """Answer with JSON."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


class Direct:
    """Takes whole requests for predictions from the protocol; used on the event loop only."""

    def __init__(self, endpoint: Endpoint, gate: Gate) -> None:
        self._endpoint = endpoint
        self._gate = gate
        self._heads = Heads()

    def __call__(self, cycle: RequestResponseCycle) -> Work | None:
        """Answer a request that was parsed; what is returned is to be run as a task."""
        body, cycle.body = bytes(cycle.body), bytearray()
        return self._answer(dict(cycle.scope["headers"]), body, _CycleLine(cycle))

    def take(self, data: bytes, exchange: Exchange) -> Work | Literal[False] | None:
        """Answer data that are a whole request with a known head; False if they are not."""
        found = self._heads.of(data)
        if found is None:
            return False
        exchange.is_open = True
        head, body = found
        return self._answer(head.headers, body, exchange)

    def learn(self, data: bytes, cycle: RequestResponseCycle) -> None:
        """Know the head of a request next time."""
        if cycle.keep_alive:
            self._heads.learn(data, dict(cycle.scope["headers"]))

    def _answer(self, headers: dict[bytes, bytes], body: bytes, line: Line) -> Work | None:
        admitted = self._gate.look("POST", PATH, headers)
        if type(admitted) is Refusal:
            line.reply(admitted.status, admitted.body, admitted.headers)
            return None
        try:
            self._gate.enter(admitted)
        except Overloaded:
            line.reply(OVERLOADED.status, OVERLOADED.body, OVERLOADED.headers)
            return None
        written = Written(self._endpoint, self._gate, admitted, line)
        return self._endpoint.answer_to(body, caller_of(admitted), written)


class Written:
    """Where an answer goes: to the socket as soon as it is there.

    Attributes:
        choice: Who answers; None until the request is understood.
        request: What was understood.
        started: A time of `time.perf_counter`.
    """

    __slots__ = (
        "_admitted", "_endpoint", "_gate", "_is_done", "_line", "choice", "request", "started",
    )  # fmt: skip

    def __init__(self, endpoint: Endpoint, gate: Gate, admitted: Admitted, line: Line) -> None:
        self.choice: Choice | None = None
        self.request: Request | None = None
        self.started = perf_counter()
        self._endpoint = endpoint
        self._gate = gate
        self._admitted = admitted
        self._line = line
        self._is_done = False

    def done(self) -> bool:
        """Whether it was answered."""
        return self._is_done

    def set_result(self, body: bytes, /) -> None:
        """Send a prediction."""
        choice = self.choice
        assert choice is not None  # nobody predicts for a request that is not understood
        seconds = perf_counter() - self.started
        self._endpoint.meter.answered(200, choice.variant, choice.served.target.version, seconds)
        self._leave()
        if not self._line.disconnected:
            self._line.reply(200, body)

    def set_exception(self, error: Exception, /) -> None:
        """Send a refusal."""
        answer = self._endpoint.refused(error, self.choice, self.started, self.request)
        self._leave()
        if not self._line.disconnected:
            self._line.reply(answer.status, answer.body, retry_after(answer))

    def abandon(self) -> None:
        """Hang up: there will be no answer."""
        if not self._is_done:
            self._leave()
            self._line.close()

    def _leave(self) -> None:
        self._is_done = True
        self._gate.leave(self._admitted)


class _CycleLine:
    """A request that uvicorn parsed."""

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle

    @property
    def disconnected(self) -> bool:
        return self._cycle.disconnected

    def reply(self, status: int, body: bytes, headers: HeaderPairs = ()) -> None:
        send: Any = self._cycle.send
        if not headers and sent_whole(send, status, body):
            return
        # A client that does not read is waited for, in a task.
        work = send_answer(send, status, body, (JSON, *headers))
        task = asyncio.get_running_loop().create_task(work)
        _sending.add(task)
        task.add_done_callback(_sending.discard)

    def close(self) -> None:
        self._cycle.transport.close()


# The event loop itself keeps weak references only.
_sending: set[asyncio.Task[None]] = set()
