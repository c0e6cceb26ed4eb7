"""Our routes, answered before BentoML's middleware does the work of a general framework.

`Front` stands between the server and BentoML's application: it answers /v1/predict and /v1/model
itself and hands everything else on.
"""

import json
from http import HTTPStatus

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from bentos.model_server.endpoint import Answer, Endpoint

BODY_BYTES = 64 * 1024


class BodyTooLong(ValueError):
    """A request's body is longer than its route takes."""


class ClientGone(ConnectionError):
    """The client hung up before its request was whole."""


class Front:
    """An ASGI application in front of another one; `endpoint` is set once the service is made."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.endpoint: Endpoint | None = None
        self._routes = {
            ("POST", "/v1/predict"): self._predict,
            ("GET", "/v1/model"): self._model,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of ours, or hand it on."""
        if scope["type"] == "http":
            route = self._routes.get((scope["method"], scope["path"]))
            if route is not None:
                await route(receive, send)
                return
        await self._app(scope, receive, send)

    async def _predict(self, receive: Receive, send: Send) -> None:
        try:
            body = await read_body(receive, BODY_BYTES)
        except BodyTooLong as error:
            await reply(send, refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error)))
            return
        except ClientGone:
            return
        assert self.endpoint is not None
        await reply(send, self.endpoint.answer_body(body))

    async def _model(self, receive: Receive, send: Send) -> None:
        assert self.endpoint is not None
        body = msgspec.json.encode(self.endpoint.description())
        await reply(send, Answer(status=HTTPStatus.OK, body=body))


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
    length = str(len(answer.body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def refusal(status: HTTPStatus, error: str) -> Answer:
    """An answer that says what was wrong."""
    return Answer(status=status, body=json.dumps({"error": error}).encode())
