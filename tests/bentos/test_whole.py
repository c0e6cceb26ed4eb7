"""An answer in one piece is, byte for byte, what uvicorn sends in two."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from bentos.model_server.answering.refusals import Answer
from bentos.model_server.front.asgi import reply
from bentos.model_server.front.whole import sent_whole

BODY = b'{"prediction":0.5}'
App = Callable[[Scope, Receive, Send], Awaitable[None]]
_DATE = re.compile(rb"date: [^\r]*\r\n")


async def whole(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await receive()
        assert sent_whole(send, 200, BODY)


async def in_two(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await receive()
        length = (b"content-length", b"%d" % len(BODY))
        headers = [(b"content-type", b"application/json"), length]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": BODY})


async def exchanged(app: App, request: bytes) -> bytes:
    """All that a server says to some bytes, until it closes the connection."""
    config = uvicorn.Config(
        app, port=0, log_config=None, access_log=False, lifespan="off", http="httptools"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    said = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    server.should_exit = True
    await serving
    return said


POST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}"
LAST = POST.replace(b"\r\nhost", b"\r\nconnection: close\r\nhost")


@pytest.mark.parametrize(
    "request_bytes",
    [LAST, POST + POST + LAST, POST.replace(b"HTTP/1.1", b"HTTP/1.0")],
    ids=["closing", "pipelined", "of HTTP 1.0"],
)
def test_the_bytes_are_those_of_the_ordinary_way(request_bytes: bytes) -> None:
    one = asyncio.run(exchanged(whole, request_bytes))
    two = asyncio.run(exchanged(in_two, request_bytes))
    assert _DATE.sub(b"", one) == _DATE.sub(b"", two)
    assert one.count(BODY) == request_bytes.count(b"POST")
    assert one.count(b"date: ") == two.count(b"date: ")


def test_what_is_no_connection_of_uvicorn_is_answered_in_two_messages() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(reply(send, Answer(status=200, body=BODY)))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[1]["body"] == BODY
