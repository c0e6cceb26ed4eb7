"""Answers in one write: what a client gets is what uvicorn's two messages would have given."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
import uvicorn

from bentos.model_server.front.whole import sent_whole

BODY = b'{"prediction": 0.5}'
POST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n%s\r\n{}"


async def app(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    assert (await receive())["body"] in (b"{}", b"")
    if scope["method"] != "HEAD":
        assert sent_whole(send, 200, BODY)
        return
    assert not sent_whole(send, 200, BODY)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


@contextmanager
def running() -> Iterator[int]:
    config = uvicorn.Config(app, http="httptools", loop="uvloop", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        try:
            yield int(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running() as port:
        yield port


def asked(port: int, data: bytes, answers: int) -> bytes:
    """All bytes of so many answers, and of nothing after them where the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(data)
        found = b""
        while found.count(BODY) < answers:
            found += client.recv(65536)
        return found


def test_an_answer_has_the_headers_of_uvicorn_and_the_body(port: int) -> None:
    head, _, body = asked(port, POST % b"", 1).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    names = {line.partition(b":")[0] for line in lines[1:]}
    assert names == {b"content-type", b"content-length", b"date", b"server"}
    assert b"content-length: %d" % len(BODY) in lines
    assert body == BODY


def test_requests_one_after_another_and_pipelined_are_each_answered(port: int) -> None:
    assert asked(port, 5 * (POST % b""), 5).count(b"HTTP/1.1 200 OK") == 5
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        for _ in range(3):
            client.sendall(POST % b"")
            assert client.recv(65536).endswith(BODY)


def test_a_client_that_closes_is_told_so_and_hung_up_on(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(POST % b"connection: close\r\n")
        found = b""
        while more := client.recv(65536):
            found += more
    assert b"connection: close" in found
    assert found.endswith(BODY)


def test_head_is_left_to_uvicorn_and_so_is_any_other_server(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 204")

    async def other(message: Any) -> None:
        raise AssertionError(message)

    assert not sent_whole(other, 200, BODY)
