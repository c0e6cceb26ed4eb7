"""A request on its way through a batch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bentos.model_server.answering.plan import Plan, Row
from bentos.model_server.features.reading import StoredValues
from bentos.model_server.request.contract import Request
from bentos.model_server.routing.versions import Choice


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who asks, and how long they wait.

    `deadline` is a time of `time.monotonic`; `is_hurried`: they named it. `client` is the name
    behind a token; `trace_id` that of a W3C traceparent header.
    """

    deadline: float
    is_hurried: bool = False
    client: str | None = None
    trace_id: str | None = None


class Outcome(Protocol):
    """Where the body of an answer goes, or the refusal in its place: an asyncio.Future is one."""

    def done(self) -> bool:
        """Whether it has one."""
        ...

    def set_result(self, result: bytes, /) -> None:
        """Take the body."""
        ...

    def set_exception(self, exception: Exception, /) -> None:
        """Take the refusal."""
        ...


class Addressed(Outcome, Protocol):
    """An outcome that knows its request: who answers, and when it began (`time.perf_counter`)."""

    choice: Choice | None
    request: Request | None
    started: float

    def abandon(self) -> None:
        """There will be no answer."""
        ...


class Pending:
    """A request whose features are there, waiting for its prediction.

    `started` is a time of `time.perf_counter`; `stored` is None where features were given;
    `outcome` gets the body of the answer.
    """

    __slots__ = (
        "caller",
        "choice",
        "outcome",
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
        outcome: Outcome,
    ) -> None:
        self.plan = plan
        self.choice = choice
        self.request = request
        self.stored = stored
        self.statuses = statuses
        self.row = row
        self.started = started
        self.caller = caller
        self.outcome = outcome

    def flags(self) -> Mapping[str, str]:
        """What a policy did to the request: by field, and `store` where defaults were taken."""
        if self.stored is not None and self.stored.is_defaulted:
            return {**self.request.flags, "store": "unavailable"}
        return self.request.flags
