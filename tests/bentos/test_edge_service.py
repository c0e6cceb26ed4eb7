"""A real service with two workers and tokens: who is let in, and how it ends."""

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from bentos.model_server.journal.segments import read_segments
from resources.serving_tokens import issue_token, revoke_token
from tests.bentos.artefacts import MODEL
from tests.bentos.load import Load
from tests.bentos.servers import ROOT, Server, call, exchange, free_port, serving
from tests.bentos.versions import promote

TARGET = "bentos.model_server.service:ModelServer"
REQUEST: dict[str, Any] = {
    "unit_id": "UA1545",
    "entities": {"carrier": "UA", "origin": "EWR"},
    "context": {"distance": 700, "seats": 180, "is_holiday": False},
}
NOW = datetime(2026, 3, 1, tzinfo=UTC)
SEEN_SECONDS = 10.0


@dataclass
class Guarded:
    """A running service, its home, its file of tokens and one token of it."""

    server: Server
    home: Path
    tokens: Path
    token: str


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    home = tmp_path_factory.mktemp("guarded")
    promote(home, -1.0)
    tokens = home / "tokens.ndjson"
    token = issue_token(tokens, "booking", NOW)
    environment = {
        "MLPLAT_MODEL": MODEL,
        "MLPLAT_SERVING_TOKENS": str(tokens),
        "BENTOML_CONFIG_OPTIONS": "services.ModelServer.workers=2",
    }
    with serving(TARGET, home, **environment) as server:
        yield Guarded(server, home, tokens, token)


def ask(guarded: Guarded, method: str, path: str, token: str, body: Any = None) -> int:
    """The status of a request with this token, from a host of another name."""
    connection = http.client.HTTPConnection("127.0.0.1", guarded.server.port, timeout=30)
    headers = {"Host": "models.example", "Authorization": f"Bearer {token}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.read()
        assert (response.status == 401) == ("www-authenticate" in response.headers)
        return response.status
    finally:
        connection.close()


def test_every_route_asks_for_a_token_and_a_probe_does_not(guarded: Guarded) -> None:
    from bentos.model_server.front.gate import BENTOML, OURS

    for path, route in (OURS | BENTOML).items():
        for method in route.methods:
            if path in ("/livez", "/readyz"):
                assert ask(guarded, method, path, "") == 200
            else:
                assert ask(guarded, method, path, "wrong") == 401
                assert ask(guarded, method, path, guarded.token, b"{}") != 401
    assert ask(guarded, "GET", "/static_content/swagger-ui.css", "") == 401
    assert ask(guarded, "GET", "/nothing", "") == 401


def test_the_journal_names_the_client(guarded: Guarded) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", guarded.server.port, timeout=30)
    connection.request(
        "POST",
        "/v1/predict",
        json.dumps(REQUEST),
        {"Authorization": f"Bearer {guarded.token}", "Content-Type": "application/json"},
    )
    response = connection.getresponse()
    assert response.status == 200
    prediction_id = json.loads(response.read())["prediction_id"]
    connection.close()
    records, _ = read_segments(guarded.home / "journal" / MODEL, {})
    (record,) = [r for r in records if r["prediction_id"] == prediction_id]
    assert record["client"] == "booking"


def test_a_new_token_is_let_in_and_a_revoked_one_turned_away_while_it_runs(
    guarded: Guarded,
) -> None:
    second = issue_token(guarded.tokens, "search", NOW)
    wait_for(lambda: all(ask(guarded, "GET", "/v1/model", second) == 200 for _ in range(8)))
    revoke_token(guarded.tokens, "search")
    wait_for(lambda: all(ask(guarded, "GET", "/v1/model", second) == 401 for _ in range(8)))
    assert ask(guarded, "GET", "/v1/model", guarded.token) == 200


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + SEEN_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_worker_and_then_the_service_end_without_a_failed_request(guarded: Guarded) -> None:
    supervisor = psutil.Process(guarded.server.process.pid)
    first = supervisor.children()
    with Load(guarded.server.port, REQUEST, token=guarded.token) as load:
        load.wait_for(200)
        first[0].terminate()
        first[0].wait(20)
        load.wait_for(200)
        # Another one takes its place.
        wait_for(lambda: len(supervisor.children()) == 2)
        assert first[0] not in supervisor.children()
        kept = http.client.HTTPConnection("127.0.0.1", guarded.server.port, timeout=30)
        assert exchange(kept, "GET", "/readyz")[0] == 200
        supervisor.terminate()
        wait_for(lambda: is_not_ready(guarded.server.port))
        kept.close()
        load.wait_until_nothing_listens()
    assert load.failed == []
    assert load.statuses.keys() == {200}
    assert load.turned_away == load.clients
    assert guarded.server.process.wait(20) == 0


def is_not_ready(port: int) -> bool:
    return call(port, "GET", "/readyz")[0] == 503


def test_a_service_that_everybody_could_reach_does_not_start(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bentoml", "serve", TARGET, "--port", str(free_port())]
    environment = {**os.environ, "MLPLAT_HOME": str(tmp_path), "MLPLAT_MODEL": MODEL}
    environment |= {"BENTOML_HOME": str(tmp_path / "bentoml")}
    # BentoML's default is every address of the machine.
    for host in ([], ["--host", "0.0.0.0"], ["--host", "::"]):
        ended = run([*command, *host], environment)
        assert ended.returncode == 1
        (line,) = ended.stderr.splitlines()
        assert "without tokens: set MLPLAT_SERVING_TOKENS" in line


def test_a_worker_on_such_a_socket_ends_its_supervisor(tmp_path: Path) -> None:
    code = (
        "import signal, socket, subprocess, sys\n"
        # Dagster gives SIGTERM what SIGINT has: nothing, in a job of the background.
        "signal.signal(signal.SIGTERM, signal.SIG_DFL)\n"
        "listening = socket.create_server(('0.0.0.0', 0))\n"
        "worker = [sys.executable, '-m', '_bentoml_impl.worker.service', sys.argv[1], '--fd', "
        "str(listening.fileno()), '--worker-id', '1']\n"
        "subprocess.run(worker, pass_fds=[listening.fileno()])\n"
        "signal.pause()"
    )
    environment = {**os.environ, "MLPLAT_HOME": str(tmp_path), "MLPLAT_MODEL": MODEL}
    assert run([sys.executable, "-c", code, TARGET], environment).returncode == -15


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
