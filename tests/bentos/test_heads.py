"""Which heads of requests need no parser the next time."""

import pytest

from bentos.model_server.front.heads import Heads

HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n"
HEADERS = {b"host": b"localhost", b"content-length": b"2"}


def test_a_head_that_was_learnt_is_known_with_any_body_of_its_length() -> None:
    heads = Heads()
    assert heads.of(HEAD + b"{}") is None
    heads.learn(HEAD + b"{}", HEADERS)
    found = heads.of(HEAD + b"[]")
    assert found is not None
    assert (found[0].headers, found[1]) == (HEADERS, b"[]")


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"{",
        HEAD + b"{}{",
        HEAD + b"{}" + HEAD + b"{}",
        HEAD[:-1],
        HEAD.replace(b"localhost", b"127.0.0.1") + b"{}",
        b"{}",
        b"",
    ],
    ids=["short", "long", "two", "cut", "another head", "no head", "nothing"],
)
def test_what_is_not_one_whole_request_of_a_known_head_is_left_to_the_parser(data: bytes) -> None:
    heads = Heads()
    heads.learn(HEAD + b"{}", HEADERS)
    assert heads.of(data) is None


@pytest.mark.parametrize(
    "headers",
    [
        {b"host": b"localhost"},
        HEADERS | {b"transfer-encoding": b"chunked"},
        HEADERS | {b"expect": b"100-continue"},
        HEADERS | {b"upgrade": b"websocket"},
        HEADERS | {b"content-length": b"3"},
    ],
    ids=["no length", "chunks", "asks first", "upgrade", "another length"],
)
def test_a_head_that_says_more_than_a_length_is_parsed_each_time(
    headers: dict[bytes, bytes],
) -> None:
    heads = Heads()
    heads.learn(HEAD + b"{}", headers)
    assert heads.of(HEAD + b"{}") is None


def test_a_head_that_has_not_ended_is_neither_learnt_nor_known() -> None:
    heads = Heads()
    cut = HEAD[:40]
    heads.learn(cut, HEADERS | {b"content-length": str(len(cut) - 3).encode()})
    assert heads.of(cut) is None


def test_heads_that_never_repeat_take_no_more_memory_than_a_thousand() -> None:
    heads = Heads()
    for number in range(3000):
        head = HEAD.replace(b"localhost", b"h%d" % number)
        heads.learn(head + b"{}", HEADERS)
    assert len(heads._known) <= 1024


def test_a_long_head_is_not_kept() -> None:
    heads = Heads()
    head = HEAD.replace(b"localhost", b"h" * 3000)
    heads.learn(head + b"{}", HEADERS)
    assert heads.of(head + b"{}") is None
