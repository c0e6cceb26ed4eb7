"""Our routes, answered before BentoML's middleware does the work of a general framework.

`Front` stands between the server and BentoML's application: it answers /v1/predict, its batches
and /v1/model itself and hands everything else on.
"""

import re
from http import HTTPStatus
from time import perf_counter

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from bentos.model_server.answering.batch import answer_batch
from bentos.model_server.answering.pending import Caller
from bentos.model_server.answering.refusals import Answer, ascii_json
from bentos.model_server.endpoint import DEADLINE_SECONDS, Endpoint

BODY_BYTES = 64 * 1024
BATCH_BYTES = 4 * 1024 * 1024
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class BodyTooLong(ValueError):
    """A request's body is longer than its route takes."""


class HeaderInvalid(ValueError):
    """A header does not hold what it should."""


class ClientGone(ConnectionError):
    """The client hung up before its request was whole."""


class Front:
    """An ASGI application in front of another one; `endpoint` is set once the service is made."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.endpoint: Endpoint | None = None
        self._routes = {
            ("POST", "/v1/predict"): self._predict,
            ("POST", "/v1/predict/batch"): self._predict_batch,
            ("GET", "/v1/model"): self._model,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of ours, or hand it on."""
        if scope["type"] == "http":
            route = self._routes.get((scope["method"], scope["path"]))
            if route is not None:
                await route(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _predict(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.endpoint is not None
        try:
            caller = caller_of(scope, perf_counter())
            answer = await self.endpoint.answer_body(await read_body(receive, BODY_BYTES), caller)
        except BodyTooLong as error:
            answer = refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error))
        except HeaderInvalid as error:
            answer = refusal(HTTPStatus.BAD_REQUEST, str(error))
        except ClientGone:
            return
        await reply(send, answer)

    async def _predict_batch(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.endpoint is not None
        try:
            caller = caller_of(scope, perf_counter())
            body = await read_body(receive, BATCH_BYTES)
            answer = await answer_batch(self.endpoint, body, caller)
        except BodyTooLong as error:
            answer = refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error))
        except HeaderInvalid as error:
            answer = refusal(HTTPStatus.BAD_REQUEST, str(error))
        except ClientGone:
            return
        await reply(send, answer)

    async def _model(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.endpoint is not None
        body = msgspec.json.encode(self.endpoint.description())
        await reply(send, Answer(status=HTTPStatus.OK, body=body))


def caller_of(scope: Scope, started: float) -> Caller:
    """What the headers tell of the caller, given the time that the request came at.

    Raises:
        HeaderInvalid: The time-out is no number of milliseconds.
    """
    seconds, trace = DEADLINE_SECONDS, None
    for name, value in scope["headers"]:
        if name == b"x-request-timeout-ms":
            if not value.isdigit() or not 0 < int(value[:10]) <= 3_600_000:
                raise HeaderInvalid("x-request-timeout-ms must be from 1 to 3600000")
            seconds = int(value) / 1000
        elif name == b"traceparent":
            found = _TRACEPARENT.fullmatch(value)
            trace = found and found[1].decode()
    return Caller(deadline=started + seconds, trace_id=trace)


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body of a request.

    Raises:
        BodyTooLong: It has more than `limit` bytes.
        ClientGone: The client hung up before.
    """
    message = await receive()
    body: bytes = message.get("body", b"")
    while message["type"] == "http.request" and message.get("more_body") and len(body) <= limit:
        message = await receive()
        body += message.get("body", b"")
    if message["type"] != "http.request":
        raise ClientGone
    if len(body) > limit:
        raise BodyTooLong(f"the body is longer than {limit} bytes")
    return body


async def reply(send: Send, answer: Answer) -> None:
    """Send one answer."""
    length = b"%d" % len(answer.body)
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    if answer.retry_after is not None:
        headers.append((b"retry-after", b"%d" % answer.retry_after))
    await send({"type": "http.response.start", "status": int(answer.status), "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def refusal(status: HTTPStatus, error: str) -> Answer:
    """An answer that says what was wrong."""
    return Answer(status=status, body=ascii_json({"error": error}))
