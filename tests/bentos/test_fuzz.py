"""Whatever is sent to a real service with two workers, no answer is a failure of its own."""

import gzip
import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from tests.bentos.artefacts import MODEL
from tests.bentos.servers import Server, call, exchange, serving
from tests.bentos.test_exposition import parsed
from tests.bentos.versions import promote

REQUEST: dict[str, Any] = {
    "unit_id": "UA1545",
    "entities": {"carrier": "UA", "origin": "EWR"},
    "context": {"distance": 700, "seats": 180, "is_holiday": False},
}
WORKERS = 2
JSON = "application/json"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("fuzzed")
    promote(home, -1.0)
    target = "bentos.model_server.service:ModelServer"
    options = f"services.ModelServer.workers={WORKERS}"
    with serving(target, home, MLPLAT_MODEL=MODEL, BENTOML_CONFIG_OPTIONS=options) as server:
        yield server
        assert "Traceback" not in server.log.read_text()


def family(server: Server) -> list[psutil.Process]:
    supervisor = psutil.Process(server.process.pid)
    return [supervisor, *supervisor.children(recursive=True)]


def post(server: Server, body: bytes, path: str = "/v1/predict", **headers: str) -> tuple[int, Any]:
    """Status and body of a POST with these headers, underscores for hyphens."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request("POST", path, body, named)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def as_the_contract_means_it(value: Any) -> Any:
    """JSON Schema takes 275.0 for an integer, and times that have no place in UTC's years."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.startswith(("0001-01-01T", "9999-12-31T")):
        return f"2013{value[4:]}"
    if isinstance(value, dict):
        return {name: as_the_contract_means_it(part) for name, part in value.items()}
    return [as_the_contract_means_it(part) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.name.lower())
@pytest.mark.parametrize("path", ["/v1/predict", "/v1/predict/batch"])
def test_answers_are_what_the_openapi_document_says(
    server: Server, path: str, mode: GenerationMode
) -> None:
    url = f"http://127.0.0.1:{server.port}"
    schema = schemathesis.openapi.from_url(f"{url}/v1/openapi.json")

    @schema.hook
    def map_body(context: Any, body: Any) -> Any:
        return as_the_contract_means_it(body)

    @schema.hook
    def map_headers(context: Any, headers: Any) -> Any:
        # A deadline of 1 ms is one to the document, and passes.
        given = str((headers or {}).get("x-request-timeout-ms", ""))
        if given.isdecimal() and 1 <= int(given) <= 60_000:
            headers["x-request-timeout-ms"] = "60000"
        return headers

    statuses: list[int] = []

    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(case=schema[path]["POST"].as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        response = case.call(base_url=url)
        statuses.append(response.status_code)
        case.validate_response(response)

    ask()
    assert set(statuses) <= ({200} if mode is GenerationMode.POSITIVE else {200, 400, 422})


def test_every_route_is_listed(server: Server) -> None:
    """BentoML's and ours: a route that is not here is one that nobody has looked at."""
    from bentos.model_server.front.gate import BENTOML, BENTOML_FOLDER, OURS
    from bentos.model_server.service import ModelServer

    front: Any = ModelServer.to_asgi()
    theirs = {route.path for route in front._app.routes}
    assert theirs == {
        "/",
        "/docs.json",
        "/healthz",
        "/livez",
        "/metrics",
        "/predict",
        "/readyz",
        "/schema.json",
        "/static_content",
    }
    assert set(OURS) == {
        "/",
        "/docs.json",
        "/v1/model",
        "/v1/openapi.json",
        "/v1/predict",
        "/v1/predict/batch",
    }
    assert set(front._routes) == set(OURS)
    assert set(BENTOML) == theirs - set(OURS) - {"/static_content"}
    assert BENTOML_FOLDER == "/static_content/"
    for path, route in (OURS | BENTOML).items():
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            status, _ = call(server.port, method, path)
            assert (status == 405) == (method not in route.methods), (method, path)
    for path in ("/v1", "/v1/", "/v1/predict/", "/admin", "/../etc/passwd", "/static_content/../x"):
        assert call(server.port, "GET", path)[0] == 404


def test_the_process_tree_listens_on_one_port_and_takes_no_pickle_there(server: Server) -> None:
    listening = {
        (found.laddr.ip, found.laddr.port)
        for process in family(server)
        for found in process.net_connections()
        if found.status == psutil.CONN_LISTEN
    }
    assert listening == {("127.0.0.1", server.port)}
    assert len(family(server)) == 1 + WORKERS
    pickled = b"\x80\x04\x95\x1c\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93."
    for path in ("/predict", "/v1/predict", "/v1/predict/batch"):
        for kind in ("application/vnd.bentoml+pickle", "application/octet-stream", "text/plain"):
            assert post(server, pickled, path, content_type=kind)[0] == 415
        assert post(server, pickled, path)[0] == 400
        assert post(server, pickled, path, content_type=JSON)[0] == 400


@pytest.mark.parametrize("path", ["/predict", "/v1/predict"])
@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 400),
        ("null", 400),
        ("[]", 400),
        ('"' + "x" * 60_000 + '"', 400),
        ("[" * 30_000, 400),
        ('{"a":' * 10_000 + "1" + "}" * 10_000, 400),
        ('{"unit_id": "u"} trailing', 400),
        ("\ufeff{}", 422),
        ('{"unit_id": "\\ud800", "entities": {}, "context": {}}', 422),
        ('{"unit_id": "u", "entities": {}, "context": {}, "unit_id": 1}', 422),
    ],
)
def test_a_body_that_is_no_request_is_refused(
    server: Server, path: str, text: str, status: int
) -> None:
    found, answer = post(server, text.encode("utf-8"), path, content_type=JSON)
    assert found == status, answer
    assert "error" in answer


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "9223372036854775808", "1e999", "1" + "0" * 5000]
)
@pytest.mark.parametrize("field", ["distance", "seats"])
def test_a_number_that_is_none_is_named(server: Server, field: str, number: str) -> None:
    body = json.dumps(REQUEST).replace(f'"{field}": ', f'"{field}": {number}, "_": ')
    body = body.replace(', "_": 700', "").replace(', "_": 180', "")
    status, answer = post(server, body.encode(), content_type=JSON)
    # Python refuses to read a number of more than 4,300 digits: that is no JSON to it.
    assert status == (400 if len(number) > 4300 else 422), answer
    assert status == 400 or answer["field"] == f"context.{field}"


def test_bytes_that_are_no_text_and_unknown_units_are_answered(server: Server) -> None:
    for path in ("/v1/predict", "/predict"):
        assert post(server, b'{"unit_id": "\xff\xfe"}', path, content_type=JSON)[0] == 400
        utf16 = json.dumps(REQUEST).encode("utf-16")
        assert post(server, utf16, path, content_type=JSON)[0] in (200, 400)
    unknown = REQUEST | {
        "unit_id": "nobody's ✈ \u0000",
        "entities": {"carrier": "??", "origin": None},
    }
    assert post(server, json.dumps(unknown).encode(), content_type=JSON)[0] == 200


def test_long_and_compressed_bodies_are_refused_before_they_are_read(server: Server) -> None:
    bomb = gzip.compress(b"[" * 10_000_000)
    for path in ("/predict", "/v1/predict", "/v1/predict/batch"):
        found = post(server, bomb, path, content_type=JSON, content_encoding="gzip")
        assert found[0] == 415
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n"
        assert b" 413 " in raw(server, head.encode())
        # Of a body without a length, as much as fits.
        chunked = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        limit = 4 * 1024 * 1024 if path.endswith("batch") else 64 * 1024
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        assert b" 413 " in raw(server, chunked.encode() + chunk * (limit // 65536 + 1))


def raw(server: Server, data: bytes) -> bytes:
    """The first answer to bytes as they are."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(data)
        return client.recv(65536)


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999"
        b"\r\n\r\n",
    ],
    ids=["tls", "space", "negative", "two lengths", "overflow"],
)
def test_what_is_not_http_is_refused_and_cut(server: Server, data: bytes) -> None:
    assert b" 400 " in raw(server, data)


def test_endless_headers_are_cut(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\n")
        with pytest.raises(OSError, match=r"reset|pipe"):
            for _ in range(10_000):
                client.sendall(b"X-Padding: " + b"x" * 1000 + b"\r\n")


def test_a_host_that_is_not_the_loopback_is_refused(server: Server) -> None:
    body = json.dumps(REQUEST).encode()
    for host in ("evil.example", "127.0.0.1.evil.example", "", "10.0.0.1:3000", "localhost.evil"):
        for path in ("/v1/predict", "/predict"):
            assert post(server, body, path, content_type=JSON, host=host)[0] == 400
    for host in ("localhost", "127.0.0.1:99", "[::1]:3000", "LOCALHOST:3000"):
        assert post(server, body, content_type=JSON, host=host)[0] == 200


@pytest.mark.parametrize("given", ["0", "-5", "1.5", "soon", "60001", "", "9" * 30])
def test_a_deadline_that_is_none_is_refused(server: Server, given: str) -> None:
    found = post(server, json.dumps(REQUEST).encode(), x_request_timeout_ms=given)
    assert found[0] == 400
    assert "x-request-timeout-ms" in found[1]["error"]


def test_a_deadline_that_passes_is_told(server: Server) -> None:
    body = json.dumps({"requests": [REQUEST] * 400}).encode()
    found = post(server, body, "/v1/predict/batch", x_request_timeout_ms="1")
    assert found[0] == 504, found
    assert "deadline" in found[1]["error"]
    status, answer = post(server, body, "/v1/predict/batch", x_request_timeout_ms="30000")
    assert (status, len(answer["predictions"])) == (200, 400)


def test_slow_clients_are_cut_and_quick_ones_do_not_notice(server: Server) -> None:
    """Slow-loris: one byte a second of headers, of a body, or nothing at all."""
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
    begun = [b"", b"POST /v1/pre", head, head + b"\r\n{", b"\r\n"]
    slow = [socket.create_connection(("127.0.0.1", server.port), 30) for _ in begun]
    for client, data in zip(slow, begun, strict=True):
        client.sendall(data)
        client.setblocking(False)
    waiting = set(slow)
    answers: dict[socket.socket, bytes] = {}
    started = time.monotonic()
    quick = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    while waiting:
        assert time.monotonic() - started < 20, "slow clients are held"
        assert exchange(quick, "POST", "/v1/predict", REQUEST)[0] == 200
        for client in list(waiting):
            if (cut := drip(client)) is not None:
                answers[client] = cut
                waiting.discard(client)
        time.sleep(0.2)
    quick.close()
    assert time.monotonic() - started > 9
    assert all(answer == b"" or b" 408 " in answer for answer in answers.values())
    for client in slow:
        client.close()


def drip(client: socket.socket) -> bytes | None:
    """Send one more byte, if any were sent; what came when the connection was cut."""
    try:
        found = client.recv(65536)
    except BlockingIOError:
        return None
    except ConnectionResetError:
        return b""
    return found


def test_a_scrape_tells_what_both_workers_did(server: Server) -> None:
    def answered() -> float:
        text = call(server.port, "GET", "/metrics")[1].decode()
        found = parsed(text)
        return sum(
            n for (name, labels), n in found.items()
            if name == "mlplat_requests_total" and ("status", "200") in labels
        )  # fmt: skip

    before = answered()
    for _ in range(40):
        assert call(server.port, "POST", "/v1/predict", REQUEST)[0] == 200
    deadline = time.monotonic() + 10
    # The other worker publishes about once a second; `before` may be short of its last ones.
    while answered() < before + 40:
        assert time.monotonic() < deadline, (before, answered())
        time.sleep(0.1)
