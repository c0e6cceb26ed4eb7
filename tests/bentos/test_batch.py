"""Batches over the wire, and that a batch answers what single requests are answered."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bentos.model_server.answering.batch import ROWS, answer_batch
from bentos.model_server.answering.pending import Caller
from tests.bentos.endpoints import REQUEST, Asked, endpoint, weather


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    """An endpoint with the weather of EWR."""
    with weather(tmp_path) as store, endpoint(tmp_path, store) as asked:
        yield asked


def batch(asked: Asked, document: object) -> tuple[int, dict[str, Any]]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    caller = Caller(deadline=time.monotonic() + 60)
    answer = asyncio.run(answer_batch(asked.endpoint, body, caller))
    return int(answer.status), json.loads(answer.body)


def requests(n: int) -> list[dict[str, Any]]:
    return [
        REQUEST | {"unit_id": f"u{i}", "context": REQUEST["context"] | {"distance": i * 5.5}}
        for i in range(n)
    ]


def test_a_batch_is_answered_in_order_with_the_numbers_of_single_requests(asked: Asked) -> None:
    status, answer = batch(asked, {"requests": requests(ROWS)})
    assert status == 200
    assert len(answer["predictions"]) == ROWS
    for number in (0, 1, 500, ROWS - 1):
        ((_, alone),) = asked.answers(requests(ROWS)[number])
        assert answer["predictions"][number]["prediction"] == alone["prediction"]
    recorded = [record["unit_id"] for record in asked.records()][:ROWS]
    assert recorded == [f"u{i}" for i in range(ROWS)]


def test_a_wrong_request_refuses_the_batch_and_says_which_it_is(asked: Asked) -> None:
    wrong = requests(3)
    wrong[1]["context"] = {"distance": -1, "seats": 1, "is_holiday": 0}
    status, answer = batch(asked, {"requests": wrong})
    assert status == 422
    assert {problem["index"] for problem in answer["problems"]} == {1}
    assert [problem["field"] for problem in answer["problems"]] == [
        "context.distance",
        "context.is_holiday",
    ]
    assert asked.records() == []


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{", b"{}", b'{"requests": []}', b'{"requests": 3}', b'{"requests":[{}],"x":1}',
     b'{"requests": [' + b"{}," * ROWS + b"{}]}", b"[" * 100_000],
)  # fmt: skip
def test_a_body_that_is_no_batch_gets_400(asked: Asked, body: bytes) -> None:
    status, answer = batch(asked, body)
    assert status == 400
    assert '{"requests": [...]}' in answer["error"]


@pytest.mark.parametrize("element", ["{}", "3", "null", '{"unit_id": 2e999}'])
def test_an_element_that_is_no_request_is_named(asked: Asked, element: str) -> None:
    body = b'{"requests": [' + json.dumps(REQUEST).encode() + b"," + element.encode() + b"]}"
    status, answer = batch(asked, body)
    assert status in (400, 422)
    assert answer["index"] == 1
