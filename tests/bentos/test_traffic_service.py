"""Canary, arms, shadows and rollback in a real `bentoml serve`, without a failed request."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bentos.model_server.journal.segments import read_segments
from mlplat_assets.monitoring.assignment import compare, recorded
from resources.registry.registry import Registry
from tests.bentos.artefacts import MODEL, expected_prediction
from tests.bentos.servers import Server, call, exchange, serving
from tests.bentos.versions import open_registry, promote, register

SERVICE = "bentos.model_server.service:ModelServer"
BY: dict[str, Any] = {"actor": "cli", "reason": "try it"}
REQUEST = {
    "entities": {"carrier": "UA", "origin": "EWR"},
    "context": {"distance": 700, "seats": 9, "is_holiday": False},
    "event_timestamp": "2013-01-05T11:00:00+00:00",
}
UNITS = [f"unit-{n}" for n in range(200)]
SECONDS = 2.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 in production, 2 and 3 in staging."""
    made = tmp_path_factory.mktemp("traffic")
    promote(made, -1.0)
    for bias in (1.0, 2.0):
        register(made, bias)
    return made


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    with serving(SERVICE, home, MLPLAT_MODEL=MODEL) as made:
        yield made


@pytest.fixture
def store(home: Path) -> Registry:
    return open_registry(home)


def routing(server: Server) -> dict[str, Any]:
    return call(server.port, "GET", "/v1/model")[1]["routing"]


def ask(server: Server, units: list[str]) -> list[dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    answers: list[dict[str, Any]] = []
    for unit in units:
        status, answer = exchange(connection, "POST", "/v1/predict", REQUEST | {"unit_id": unit})
        assert status == 200, answer
        answers.append(answer)
    connection.close()
    return answers


def wait(seen: Callable[[], bool], seconds: float = 30.0) -> float:
    started = time.monotonic()
    while not seen():
        assert time.monotonic() - started < seconds
        time.sleep(0.01)
    return time.monotonic() - started


@contextmanager
def under_load(server: Server) -> Iterator[list[dict[str, Any]]]:
    """Requests all the while; `ask` fails at the first that is not answered with 200."""
    answers: list[dict[str, Any]] = []
    failures: list[BaseException] = []
    stop = threading.Event()

    def load() -> None:
        try:
            while not stop.is_set():
                answers.extend(ask(server, UNITS[:20]))
        except BaseException as error:
            failures.append(error)
            raise

    thread = threading.Thread(target=load)
    thread.start()
    yield answers
    stop.set()
    thread.join()
    assert failures == []


def test_canary_promotion_and_rollback_under_load_fail_no_request(
    server: Server, store: Registry, home: Path
) -> None:
    taken: list[float] = []

    def is_at(revision: int, champion: int) -> bool:
        found = routing(server)
        return (found["revision"], found["variants"][0]["version"]) == (revision, champion)

    with under_load(server) as answers:
        for revision, percent in enumerate((1, 5, 25), start=1):
            store.set_share(MODEL, 2, percent, **BY)
            taken.append(wait(lambda at=revision: is_at(at, 1)))
        store.promote(MODEL, 2, approver="ada@example.org", **BY)
        taken.append(wait(lambda: is_at(4, 2)))
        store.rollback(MODEL, **BY)
        taken.append(wait(lambda: is_at(4, 1)))
    assert max(taken) < SECONDS, taken
    assert {answer["variant"] for answer in answers} >= {"champion"}
    report = compare(
        recorded(None, home / "journal" / MODEL, MODEL),
        lambda revision: store.traffic_at(MODEL, revision),
    )
    assert report.compared >= len(answers) and not report.differences and not report.unrecorded


def test_units_are_answered_by_their_variant_and_shadows_repeat_them(
    server: Server, store: Registry, home: Path
) -> None:
    store.set_shadow(MODEL, 3, True, **BY)
    register(home, 3.0)
    store.set_share(MODEL, 4, 50, variant="blue", **BY)
    table = store.set_override(MODEL, UNITS[0], "blue", **BY)
    wait(lambda: routing(server)["revision"] == table.revision)
    assert routing(server)["shadows"] == [3] and routing(server)["problems"] == []
    answers = ask(server, UNITS)
    versions = {"champion": 1, "blue": 4}
    assert [answer["variant"] for answer in answers] == [*map(table.traffic.variant, UNITS)]
    assert all(answer["version"] == versions[answer["variant"]] for answer in answers)
    made = {answer["prediction_id"] for answer in answers}
    folder = home / "journal" / f"{MODEL}.shadows"

    def repeated() -> dict[str, dict[str, Any]]:
        records = read_segments(folder, {})[0]
        return {r["prediction_id"]: r for r in records if r["prediction_id"] in made}

    wait(lambda: len(repeated()) == len(made))
    expected = expected_prediction(bias=2.0, distance=700, temp=None, carrier="UA")
    for record in repeated().values():
        assert (record["version"], record["error"]) == (3, None)
        assert record["prediction"] == pytest.approx(expected, rel=1e-5)
    status, metrics = call(server.port, "GET", "/metrics")
    assert status == 200 and b"shadow_answered" in metrics and b"routing_problems" in metrics


def test_a_restart_without_the_registry_serves_the_last_table(
    server: Server, store: Registry, home: Path
) -> None:
    before = [(each["variant"], each["version"]) for each in ask(server, UNITS)]
    revision = routing(server)["revision"]
    server.kill()
    away = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    with serving(SERVICE, home, MLPLAT_MODEL=MODEL, MLPLAT_REGISTRY_URL=away) as restarted:
        assert [(each["variant"], each["version"]) for each in ask(restarted, UNITS)] == before
        found = routing(restarted)
        assert found["revision"] == revision and "OperationalError" in found["problems"][0]
