"""MLflow's UI in `mlplat dev`: it answers, on this machine and under its own name only."""

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from mlplat_assets.commands.dev import tracking_interface, tracking_port
from mlplat_assets.models.tracking.runs import Subject, tracked
from resources.settings import Settings
from tests.bentos.servers import free_port
from tests.small_home import settings_at

READY_SECONDS = 120.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home whose tracking UI has a port of its own."""
    return replace(settings_at(tmp_path), tracking_ui=f"http://127.0.0.1:{free_port()}")


@pytest.fixture
def interface(settings: Settings, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """MLflow's server as `mlplat dev` starts it."""
    (child,) = tracking_interface(settings)
    with (tmp_path / "mlflow.log").open("wb") as log:
        process = subprocess.Popen(
            child.command,
            env={**os.environ, **settings.environment()},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        family = [process, *psutil.Process(process.pid).children(recursive=True)]
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        for member in family[1:]:
            if member.is_running():
                member.kill()


def asked(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def wait_until_up(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if asked(port, "/health")[0] == 200:
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"not up after {READY_SECONDS} s: {log.read_text()}")


def test_the_ui_shows_a_run_and_its_plots_to_this_machine_only(
    settings: Settings, interface: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    port = tracking_port(settings)
    wait_until_up(interface, port, tmp_path / "mlflow.log")
    subject = Subject(experiment="flights.arrival_delay", name="first", key="sha256:1")
    with tracked(settings.tracking_url, subject) as run:
        run.metrics({"validation_loss": 0.5}, 1)
        run.picture("history", b"\x89PNG")
    status, page = asked(port, "/")
    assert (status, b"MLflow" in page) == (200, True)
    status, answer = asked(port, f"/api/2.0/mlflow/runs/get?run_id={run.run_id}")
    assert status == 200
    assert json.loads(answer)["run"]["data"]["metrics"][0]["value"] == 0.5
    plot = f"/get-artifact?path=plots/history.png&run_uuid={run.run_id}"
    assert asked(port, plot) == (200, b"\x89PNG")
    assert asked(port, "/", Host="evil.example.com")[0] == 403
    family = [psutil.Process(interface.pid), *psutil.Process(interface.pid).children(True)]
    listening = [c.laddr for p in family for c in p.net_connections("inet") if c.status == "LISTEN"]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    # No pool of job workers: MLflow's default is six more processes.
    assert len(family) == 2


def test_a_tracking_server_elsewhere_is_not_started_again(settings: Settings) -> None:
    remote = replace(settings, tracking_url="https://mlflow.example.com")
    assert tracking_interface(remote) == []


def test_a_port_that_is_none_is_refused(settings: Settings) -> None:
    with pytest.raises(ValueError, match="MLPLAT_TRACKING_UI"):
        tracking_port(replace(settings, tracking_ui="http://127.0.0.1:x"))
    assert tracking_port(replace(settings, tracking_ui="http://127.0.0.1")) == 5001
