"""Our routes, answered before BentoML's middleware does the work of a general framework.

`Front` stands between the server and BentoML's application: what the gate lets in it answers
itself, or hands on where the path is BentoML's.
"""

import re
from http import HTTPStatus

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bentos.model_server.answering.batch import answer_batch
from bentos.model_server.answering.pending import Caller
from bentos.model_server.answering.refusals import Answer, ascii_json, retry_after
from bentos.model_server.endpoint import Endpoint
from bentos.model_server.front.admission import OVERLOADED, TIMEOUT_HEADER, Overloaded
from bentos.model_server.front.gate import Admitted, Gate
from bentos.model_server.front.openapi import Described
from bentos.model_server.front.refusal import HeaderPairs, Refusal
from bentos.model_server.front.whole import sent_whole
from bentos.model_server.request.contract import parse_body
from bentos.model_server.request.field_check import name_of
from bentos.model_server.request.problems import RequestMalformed

JSON = (b"content-type", b"application/json")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class BodyTooLong(ValueError):
    """A request's body is longer than its route takes."""


class ClientGone(ConnectionError):
    """The client hung up before its request was whole."""


class Front:
    """An ASGI application in front of another one; the others are set once the service is made."""

    endpoint: Endpoint
    gate: Gate
    described: Described

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._routes = {
            "/v1/predict": self._predict,
            "/v1/predict/batch": self._predict_batch,
            "/v1/model": self._model,
            "/v1/openapi.json": self._openapi,
            "/docs.json": self._docs,
            "/": self._page,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of ours, or hand it on."""
        if scope["type"] != "http":
            # Start and end of the server; the protocol class lets no WebSocket begin.
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        found = self.gate.look(scope["method"], path, dict(scope["headers"]))
        if type(found) is Refusal:
            await refuse(send, found)
            return
        try:
            route = self._routes.get(path)
            if route is not None:
                await route(found, receive, send)
            else:
                await self._hand_on(found, scope, receive, send)
        except BodyTooLong as error:
            self.gate.refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            body = refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error)).body
            headers = (JSON, (b"connection", b"close"))
            await send_answer(send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, body, headers)
        except Overloaded:
            await refuse(send, OVERLOADED)
        except ClientGone:
            return
        finally:
            self.gate.leave(found)

    async def _predict(self, admitted: Admitted, receive: Receive, send: Send) -> None:
        body = await read_body(receive, admitted.limit)
        self.gate.enter(admitted)
        await reply(send, await self.endpoint.answer_body(body, caller_of(admitted)))

    async def _predict_batch(self, admitted: Admitted, receive: Receive, send: Send) -> None:
        body = await read_body(receive, admitted.limit)
        await reply(send, await answer_batch(self.endpoint, body, caller_of(admitted)))

    async def _model(self, admitted: Admitted, receive: Receive, send: Send) -> None:
        body = msgspec.json.encode(self.endpoint.description())
        await reply(send, Answer(status=HTTPStatus.OK, body=body))

    async def _openapi(self, admitted: Admitted, receive: Receive, send: Send) -> None:
        await reply(send, Answer(status=HTTPStatus.OK, body=self.described.ours()))

    async def _docs(self, admitted: Admitted, receive: Receive, send: Send) -> None:
        await reply(send, Answer(status=HTTPStatus.OK, body=self.described.merged()))

    async def _page(self, admitted: Admitted, receive: Receive, send: Send) -> None:
        await send_answer(send, HTTPStatus.OK, self.described.page, self.described.page_headers)

    async def _hand_on(
        self, admitted: Admitted, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Give a request to BentoML.

        A body is read here, so that it has a limit there too, and is a JSON object: BentoML answers
        500 to bytes that are no text, and logs a traceback for each array.
        """
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = await read_body(receive, admitted.limit)
        if (wrong := _malformed(body)) is not None:
            self.gate.refused(HTTPStatus.BAD_REQUEST)
            await reply(send, refusal(HTTPStatus.BAD_REQUEST, wrong))
            return
        self.gate.enter(admitted)
        whole: Message = {"type": "http.request", "body": body, "more_body": False}
        messages = [whole]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, replay, send)


def caller_of(admitted: Admitted) -> Caller:
    """Who asks, as a prediction's record names them."""
    header = admitted.headers.get(b"traceparent")
    trace = None if header is None else _TRACEPARENT.fullmatch(header)
    return Caller(
        deadline=admitted.deadline,
        is_hurried=TIMEOUT_HEADER in admitted.headers,
        client=admitted.client,
        trace_id=None if trace is None else trace[1].decode(),
    )


def _malformed(body: bytes) -> str | None:
    """What is wrong with a body that should be a JSON object."""
    try:
        payload = parse_body(body)
    except RequestMalformed as error:
        return str(error)
    is_object = isinstance(payload, dict)
    return None if is_object else f"the body is {name_of(payload)}, expected a JSON object"


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body of a request.

    Raises:
        BodyTooLong: It has more than `limit` bytes.
        ClientGone: The client hung up before.
    """
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        body = await _read_on(receive, body, limit, message)
    elif message["type"] != "http.request":
        raise ClientGone
    if len(body) > limit:
        raise BodyTooLong(f"the body is longer than {limit} bytes")
    return body


async def _read_on(receive: Receive, begun: bytes, limit: int, message: Message) -> bytes:
    parts = [begun]
    length = len(begun)
    while message.get("more_body") and length <= limit:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        parts.append(message.get("body", b""))
        length += len(parts[-1])
    return b"".join(parts)


async def reply(send: Send, answer: Answer) -> None:
    """Send one answer."""
    if answer.retry_after is None and sent_whole(send, answer.status, answer.body):
        return
    await send_answer(send, answer.status, answer.body, (JSON, *retry_after(answer)))


def refusal(status: HTTPStatus, error: str) -> Answer:
    """An answer that says what was wrong."""
    return Answer(status=status, body=ascii_json({"error": error}))


async def refuse(send: Send, found: Refusal) -> None:
    """Send what the gate answers."""
    await send_answer(send, found.status, found.body, (JSON, *found.headers))


async def send_answer(send: Send, status: int, body: bytes, headers: HeaderPairs) -> None:
    """Send an answer the ordinary way."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})
