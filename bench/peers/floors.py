"""Bare ASGI apps: what the server and the model cost when nothing is checked or recorded.

uvicorn bench.peers.floors:echo
SERVING_GRAPH=mlp.onnx uvicorn bench.peers.floors:model_only --factory
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from bench.peers.batcher import Batcher, graph_from_environment
from bench.serving_shape import vector

App = Callable[[Any, Any, Any], Awaitable[None]]


async def echo(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
    """Answers the body that it was sent."""
    if scope["type"] == "http":
        await _answer(send, await _body(receive))


def model_only() -> App:
    """An app that parses the request and predicts, rows that arrive together in one batch."""
    batcher = Batcher(graph_from_environment())

    async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401
        if scope["type"] == "http":
            request = msgspec.json.decode(await _body(receive))
            prediction = await batcher.predict(vector(request))
            await _answer(send, msgspec.json.encode({"prediction": prediction}))

    return app


async def _body(receive: Any) -> bytes:  # noqa: ANN401
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


async def _answer(send: Any, body: bytes) -> None:  # noqa: ANN401
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
