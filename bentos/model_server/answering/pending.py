"""A request on its way through a batch."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from bentos.model_server.answering.plan import Plan, Row
from bentos.model_server.features.reading import StoredValues
from bentos.model_server.request.contract import Request
from bentos.model_server.routing.versions import Choice


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who asks, and how long they wait.

    `deadline` is a time of `time.monotonic`; `client` the name behind a token; `trace_id` that
    of a W3C traceparent header.
    """

    deadline: float
    client: str | None = None
    trace_id: str | None = None


class Pending:
    """A request whose features are there, waiting for its prediction.

    `started` is a time of `time.perf_counter`; `stored` is None where features were given;
    `future` becomes the body of the answer.
    """

    __slots__ = (
        "caller",
        "choice",
        "future",
        "plan",
        "request",
        "row",
        "started",
        "statuses",
        "stored",
    )

    def __init__(
        self,
        plan: Plan,
        choice: Choice,
        request: Request,
        stored: StoredValues | None,
        statuses: bytes,
        row: Row,
        started: float,
        caller: Caller,
        future: "asyncio.Future[bytes]",
    ) -> None:
        self.plan = plan
        self.choice = choice
        self.request = request
        self.stored = stored
        self.statuses = statuses
        self.row = row
        self.started = started
        self.caller = caller
        self.future = future

    def flags(self) -> Mapping[str, str]:
        """What a policy did to the request: by field, and `store` where defaults were taken."""
        if self.stored is not None and self.stored.is_defaulted:
            return {**self.request.flags, "store": "unavailable"}
        return self.request.flags
