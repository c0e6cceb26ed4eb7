"""Requests for predictions as they come off the wire: in pieces, in a row, asking first, gone."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bentos.model_server.journal.segments import read_segments
from tests.bentos.artefacts import MODEL
from tests.bentos.servers import Server, serving
from tests.bentos.versions import promote

FEATURES = {"weather__temp": 0.5}


def request(unit: str, **more: Any) -> bytes:
    document = {
        "unit_id": unit,
        "entities": {"carrier": "UA", "origin": "EWR"},
        "context": {"distance": 700, "seats": 180, "is_holiday": False},
        **more,
    }
    body = json.dumps(document).encode()
    head = f"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("direct")
    promote(home, -1.0)
    return home


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    target = "bentos.model_server.service:ModelServer"
    with serving(target, home, MLPLAT_MODEL=MODEL) as server:
        yield server


@pytest.fixture
def wire(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as wire:
        yield wire


def answers(wire: socket.socket, count: int) -> list[dict[str, Any]]:
    """The JSON of so many answers, in the order of their coming."""
    stream = wire.makefile("rb")
    found: list[dict[str, Any]] = []
    for _ in range(count):
        length = 0
        while (line := stream.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        found.append(json.loads(stream.read(length)))
    return found


@pytest.mark.parametrize("more", [{"features": FEATURES}, {}], ids=["given", "stored"])
def test_requests_in_one_packet_are_answered_in_their_order(
    wire: socket.socket, home: Path, more: dict[str, Any]
) -> None:
    units = [f"{len(more)}-{number}" for number in range(20)]
    wire.sendall(b"".join(request(unit, **more) for unit in units))
    ids = [answer["prediction_id"] for answer in answers(wire, len(units))]
    records, _ = read_segments(home / "journal" / MODEL, {})
    unit_of = {record["prediction_id"]: record["unit_id"] for record in records}
    assert [unit_of[prediction_id] for prediction_id in ids] == units


def test_a_request_may_come_byte_by_byte(wire: socket.socket) -> None:
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in request("slow", features=FEATURES):
        wire.sendall(bytes([byte]))
    assert answers(wire, 1)[0]["version"] == 1


def test_a_client_that_asks_first_is_told_to_go_on(wire: socket.socket) -> None:
    head, _, body = request("asking", features=FEATURES).partition(b"\r\n\r\n")
    wire.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
    assert wire.recv(100).startswith(b"HTTP/1.1 100")
    wire.sendall(body)
    assert answers(wire, 1)[0]["version"] == 1


def test_a_refusal_leaves_the_connection_to_the_next_request(wire: socket.socket) -> None:
    wire.sendall(request("", features=FEATURES) + request("fine", features=FEATURES))
    refused, answered = answers(wire, 2)
    assert refused["field"] == "unit_id"
    assert answered["version"] == 1


@pytest.mark.parametrize("more", [{"features": FEATURES}, {}], ids=["given", "stored"])
def test_a_head_that_was_seen_before_is_answered_as_the_first_time(
    wire: socket.socket, home: Path, more: dict[str, Any]
) -> None:
    units = [f"again-{len(more)}-{number:03}" for number in range(30)]
    ids = []
    for unit in units:
        wire.sendall(request(unit, **more))
        ids.append(answers(wire, 1)[0]["prediction_id"])
    records, _ = read_segments(home / "journal" / MODEL, {})
    unit_of = {record["prediction_id"]: record["unit_id"] for record in records}
    assert [unit_of[prediction_id] for prediction_id in ids] == units


def test_a_request_sent_before_the_last_answer_waits_its_turn(
    wire: socket.socket, home: Path
) -> None:
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire.sendall(request("turn-00"))
    answers(wire, 1)
    units = [f"turn-{number:02}" for number in range(1, 40)]
    for unit in units:
        wire.sendall(request(unit))  # features are read, so the one before is still under way
    ids = [answer["prediction_id"] for answer in answers(wire, len(units))]
    records, _ = read_segments(home / "journal" / MODEL, {})
    unit_of = {record["prediction_id"]: record["unit_id"] for record in records}
    assert [unit_of[prediction_id] for prediction_id in ids] == units


def test_a_head_that_is_not_http_is_not_known_by_the_request_before_it(server: Server) -> None:
    fine = request("fine", features=FEATURES)
    broken = fine.replace(b"Host: localhost\r\n", b"Host localhost\r\n")
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", server.port), timeout=15) as wire:
            wire.sendall(fine)
            assert answers(wire, 1)[0]["version"] == 1
            wire.sendall(broken)
            assert wire.recv(100).startswith(b"HTTP/1.1 400")


def test_a_known_head_is_looked_at_by_the_gate_each_time(wire: socket.socket) -> None:
    wrong = request("wrong").replace(b"Host: localhost", b"Host: elsewhere")
    for _ in range(3):
        wire.sendall(wrong)
        assert "elsewhere" in answers(wire, 1)[0]["error"]


def test_a_body_that_is_refused_under_a_known_head_leaves_the_connection(
    wire: socket.socket,
) -> None:
    fine, broken = request("known", features=FEATURES), request("known", features=FEATURES)
    broken = broken[:-1] + b"]"
    for _ in range(3):
        wire.sendall(fine)
        assert answers(wire, 1)[0]["version"] == 1
        wire.sendall(broken)
        assert "error" in answers(wire, 1)[0]


def test_clients_that_hang_up_leave_room_for_others(server: Server) -> None:
    for number in range(600):  # more than may be under way at a time
        with socket.create_connection(("127.0.0.1", server.port), timeout=15) as gone:
            gone.sendall(request(f"gone-{number}", features=FEATURES if number % 2 else None))
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as wire:
        wire.sendall(request("here", features=FEATURES))
        assert answers(wire, 1)[0]["version"] == 1


def test_an_idle_connection_is_closed(wire: socket.socket) -> None:
    wire.sendall(request("idle", features=FEATURES))
    answers(wire, 1)
    began = time.monotonic()
    assert wire.recv(1) == b""
    assert 3 < time.monotonic() - began < 12  # 5 s, looked at once a second
