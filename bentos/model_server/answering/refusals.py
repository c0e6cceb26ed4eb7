"""What a request that was not answered gets: a status, and JSON that says why."""

import json
from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from bentos.model_server.artefact.on_demand import OnDemandFailed
from bentos.model_server.journal.segments import JournalUnavailable
from bentos.model_server.request.problems import RequestInvalid, RequestMalformed
from bentos.model_server.routing.versions import NotServing
from bentos.model_server.runtime.batcher import Overloaded
from resources.online_store import OnlineStoreUnavailable

# Seconds after which a caller that was turned away may come again.
RETRY_SECONDS = 1


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An HTTP answer with a JSON body; `retry_after` in seconds, where it is worth it."""

    status: int
    body: bytes
    retry_after: int | None = None


def retry_after(answer: Answer) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that say when to come again."""
    seconds = answer.retry_after
    return () if seconds is None else ((b"retry-after", b"%d" % seconds),)


class PredictionUnusable(ValueError):
    """The model gave something that is not a finite number for these inputs."""


class PredictionFailed(RuntimeError):
    """The model could not be run."""


class DeadlinePassed(TimeoutError):
    """The caller does not wait any longer."""


_STATUSES: dict[type[Exception], HTTPStatus] = {
    RequestMalformed: HTTPStatus.BAD_REQUEST,
    RequestInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    PredictionUnusable: HTTPStatus.UNPROCESSABLE_ENTITY,
    Overloaded: HTTPStatus.TOO_MANY_REQUESTS,
    OnDemandFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    PredictionFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    OnlineStoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    JournalUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    NotServing: HTTPStatus.SERVICE_UNAVAILABLE,
    DeadlinePassed: HTTPStatus.GATEWAY_TIMEOUT,
}
REFUSALS = tuple(_STATUSES)


def refusal_of(error: Exception, index: int | None = None) -> Answer:
    """The answer for one of REFUSALS; `index` is that of the request in a batch."""
    status = _STATUSES[type(error)]
    where = {} if index is None else {"index": index}
    document: dict[str, object] = {"error": str(error), **where}
    if isinstance(error, RequestInvalid):
        problems = [problem.document() | where for problem in error.problems]
        document = problems[0] | {"problems": problems}
    retry = RETRY_SECONDS if status is HTTPStatus.TOO_MANY_REQUESTS else None
    return Answer(status=status, body=ascii_json(document), retry_after=retry)


def ascii_json(document: Mapping[str, object]) -> bytes:
    """JSON in ASCII: a refused value may hold a lone surrogate, which UTF-8 cannot carry."""
    return json.dumps(document, ensure_ascii=True).encode()
