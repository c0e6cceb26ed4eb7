"""The real service: `bentoml serve`, HTTP, a real registry, and SIGKILL."""

import http.client
import random
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bentos.model_server.journal.segments import read_segments
from bentos.packaging import build_bento
from resources.online_store import OnlineRow, online_store
from tests.bentos.artefacts import MODEL, expected_prediction, write_artefact
from tests.bentos.servers import Server, call, exchange, serving
from tests.bentos.versions import open_registry, promote

REQUEST: dict[str, Any] = {
    "unit_id": "UA1545",
    "entities": {"carrier": "UA", "origin": "EWR"},
    "context": {"distance": 700, "seats": 180, "is_holiday": False},
}
SWAP_SECONDS = 30.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with version 1 (bias -1) in production, its Bento, and the weather of EWR."""
    home = tmp_path_factory.mktemp("home")
    promote(home, -1.0)
    artefact = write_artefact(home / "built" / "-1.0", bias=-1.0)
    build_bento(artefact, model=MODEL, version=1, bentoml_home=home / "bentoml")
    store = online_store(f"sqlite:///{home / 'online.sqlite'}")
    now = datetime.now(UTC)
    weather = OnlineRow(
        key=("EWR",),
        event_timestamp=now,
        created_timestamp=now,
        partition="2013-01-05",
        values={"temp": 0.5},
    )
    store.write("flights.weather", [weather])
    store.close()
    return home


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    """The Bento of version 1, served."""
    with serving("flights__arrival_delay:v1", home) as server:
        yield server


def expected(bias: float) -> float:
    return expected_prediction(bias=bias, distance=700, temp=0.5, carrier="UA")


@pytest.mark.parametrize("path", ["/v1/predict", "/predict"])
def test_a_bento_answers_on_both_routes(server: Server, home: Path, path: str) -> None:
    status, answer = call(server.port, "POST", path, REQUEST)
    assert status == 200
    assert answer["prediction"] == pytest.approx(expected(-1.0), rel=1e-5)
    assert answer["feature_status"] == {"weather__temp": "PRESENT"}
    records, _ = read_segments(home / "journal" / MODEL, {})
    (record,) = [r for r in records if r["prediction_id"] == answer["prediction_id"]]
    assert record["bento"] == "flights__arrival_delay:v1"


@pytest.mark.parametrize("path", ["/v1/predict", "/predict"])
def test_a_wrong_field_gets_422_over_http(server: Server, path: str) -> None:
    context = {"distnce": 700, "seats": True, "is_holiday": False}
    status, answer = call(server.port, "POST", path, REQUEST | {"context": context})
    assert status == 422
    assert [problem["field"] for problem in answer["problems"]] == [
        "context.distnce",
        "context.seats",
    ]
    assert "did you mean 'distance'?" in answer["error"]


def test_bad_bodies_are_refused_over_http(server: Server) -> None:
    assert call(server.port, "POST", "/v1/predict", b'{"unit_id": ')[0] == 400
    assert call(server.port, "POST", "/v1/predict", b'"' + b"x" * 70_000 + b'"')[0] == 413
    nan = b'{"unit_id":"u","entities":{"carrier":null,"origin":null},"context":{"distance":NaN}}'
    status, answer = call(server.port, "POST", "/v1/predict", nan)
    assert (status, answer["field"], answer["value"]) == (422, "context.seats", None)
    assert {"context.distance": "nan"}.items() <= {
        problem["field"]: problem["value"] for problem in answer["problems"]
    }.items()


def test_the_service_tells_what_it_serves_and_how_it_is(server: Server) -> None:
    status, described = call(server.port, "GET", "/v1/model")
    assert status == 200
    assert (described["model"], described["version"]) == (MODEL, 1)
    for path in ("/livez", "/readyz", "/metrics"):
        assert call(server.port, "GET", path)[0] == 200


def test_promotion_and_rollback_swap_versions_without_a_dropped_request(
    server: Server, home: Path
) -> None:
    answers: list[tuple[int, Any]] = []
    stop = threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        while not stop.is_set():
            answers.append(exchange(connection, "POST", "/v1/predict", REQUEST))
            stop.wait(0.01)
        connection.close()

    client = threading.Thread(target=ask)
    client.start()
    try:
        promote(home, 1.0)
        wait_for_version(server, 2)
        open_registry(home).rollback(MODEL, actor="cli", reason="worse in the evening")
        wait_for_version(server, 1)
        time.sleep(0.1)
    finally:
        stop.set()
        client.join()
    assert {status for status, _ in answers} == {200}
    versions = [answer["version"] for _, answer in answers]
    assert [v for i, v in enumerate(versions) if i == 0 or versions[i - 1] != v] == [1, 2, 1]
    for _, answer in answers:
        bias = -1.0 if answer["version"] == 1 else 1.0
        assert answer["prediction"] == pytest.approx(expected(bias), rel=1e-5)


def wait_for_version(server: Server, version: int) -> None:
    deadline = time.monotonic() + SWAP_SECONDS
    while call(server.port, "GET", "/v1/model")[1]["version"] != version:
        assert time.monotonic() < deadline, server.log.read_text()
        time.sleep(0.1)


def test_source_code_serves_the_production_version_of_a_named_model(tmp_path: Path) -> None:
    promote(tmp_path, 2.0)
    target = "bentos.model_server.service:ModelServer"
    with serving(target, tmp_path, MLPLAT_MODEL=MODEL) as server:
        status, answer = call(server.port, "POST", "/v1/predict", REQUEST)
        assert status == 200
        assert answer["feature_status"] == {"weather__temp": "NOT_FOUND"}


def test_a_bento_serves_on_it_alone_where_there_is_no_registry(tmp_path: Path) -> None:
    artefact = write_artefact(tmp_path / "artefact", bias=0.5)
    build_bento(artefact, model=MODEL, version=4, bentoml_home=tmp_path / "bentoml")
    with serving("flights__arrival_delay:v4", tmp_path) as server:
        status, answer = call(server.port, "POST", "/v1/predict", REQUEST)
        assert (status, answer["version"]) == (200, 4)


def test_a_killed_server_has_journalled_every_prediction_it_acknowledged(
    home: Path, tmp_path: Path
) -> None:
    acknowledged: list[str] = []
    journal = tmp_path / "journal"
    with serving("flights__arrival_delay:v1", home, MLPLAT_JOURNAL=str(journal)) as server:

        def ask() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
            try:
                while True:
                    status, answer = exchange(connection, "POST", "/v1/predict", REQUEST)
                    assert status == 200
                    acknowledged.append(answer["prediction_id"])
            except (OSError, http.client.HTTPException):
                connection.close()

        clients = [threading.Thread(target=ask) for _ in range(8)]
        for client in clients:
            client.start()
        time.sleep(random.uniform(0.5, 2.0))
        server.kill()
        for client in clients:
            client.join()
    records, _ = read_segments(journal, {})
    journalled = [record["prediction_id"] for record in records]
    assert len(acknowledged) > 50
    assert len(set(journalled)) == len(journalled)
    assert set(acknowledged) <= set(journalled)
    assert len(journalled) - len(acknowledged) <= len(clients)
