"""Predictions without a task: from a request that is whole to the batch, and from it to the socket.

A task, its wake-ups and the two ways through ASGI cost about a tenth of a request with full
features: 104 to 113 microseconds of processor time with them, 94 to 100 without, at 32 connections.
So the protocol hands over a whole request for a prediction itself, and the batch writes its answer.
Everything else, and what the server must ask for first, goes through `Front`.
"""

import asyncio
from collections.abc import Coroutine
from time import perf_counter
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from bentos.model_server.answering.refusals import Answer
from bentos.model_server.endpoint import Endpoint
from bentos.model_server.front.admission import OVERLOADED, Overloaded
from bentos.model_server.front.asgi import caller_of, refuse, reply
from bentos.model_server.front.gate import Admitted, Gate
from bentos.model_server.front.refusal import Refusal
from bentos.model_server.front.whole import sent_whole
from bentos.model_server.request.contract import Request
from bentos.model_server.routing.versions import Choice

PATH = "/v1/predict"
Work = Coroutine[Any, Any, None]


class Direct:
    """Takes whole requests for predictions from the protocol; used on the event loop only."""

    def __init__(self, endpoint: Endpoint, gate: Gate) -> None:
        self._endpoint = endpoint
        self._gate = gate

    def __call__(self, cycle: RequestResponseCycle) -> Work | None:
        """Answer a request; what is returned is to be run as a task."""
        admitted = self._gate.look("POST", PATH, dict(cycle.scope["headers"]))
        if type(admitted) is Refusal:
            return refuse(cycle.send, admitted)  # type: ignore[arg-type]  (Starlette's Send)
        try:
            self._gate.enter(admitted)
        except Overloaded:
            return refuse(cycle.send, OVERLOADED)  # type: ignore[arg-type]
        body, cycle.body = bytes(cycle.body), bytearray()
        written = Written(self._endpoint, self._gate, admitted, cycle)
        return self._endpoint.answer_to(body, caller_of(admitted), written)


class Written:
    """Where an answer goes: to the socket as soon as it is there.

    Attributes:
        choice: Who answers; None until the request is understood.
        request: What was understood.
        started: A time of `time.perf_counter`.
    """

    __slots__ = (
        "_admitted", "_cycle", "_endpoint", "_gate", "_is_done", "choice", "request", "started",
    )  # fmt: skip

    def __init__(
        self, endpoint: Endpoint, gate: Gate, admitted: Admitted, cycle: RequestResponseCycle
    ) -> None:
        self.choice: Choice | None = None
        self.request: Request | None = None
        self.started = perf_counter()
        self._endpoint = endpoint
        self._gate = gate
        self._admitted = admitted
        self._cycle = cycle
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
        self._send(Answer(status=200, body=body))

    def set_exception(self, error: Exception, /) -> None:
        """Send a refusal."""
        choice, request = self.choice, self.request
        self._send(self._endpoint.refused(error, choice, self.started, request))

    def abandon(self) -> None:
        """Hang up: there will be no answer."""
        if not self._is_done:
            self._leave()
            self._cycle.transport.close()

    def _leave(self) -> None:
        self._is_done = True
        self._gate.leave(self._admitted)

    def _send(self, answer: Answer) -> None:
        self._leave()
        cycle = self._cycle
        if cycle.disconnected:
            return
        send: Any = cycle.send
        if answer.retry_after is None and sent_whole(send, answer.status, answer.body):
            return
        # A client that does not read is waited for, in a task.
        task = asyncio.get_running_loop().create_task(reply(send, answer))
        _sending.add(task)
        task.add_done_callback(_sending.discard)


# The event loop itself keeps weak references only.
_sending: set[asyncio.Task[None]] = set()
