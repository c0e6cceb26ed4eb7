"""Real `bentoml serve` processes for tests, and a plain client for them."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 90.0


class Server:
    """One `bentoml serve` with its supervisor and worker processes."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log

    def kill(self) -> None:
        """SIGKILL to the supervisor and every process below it, all at once."""
        family = [self.process.pid]
        if self.process.poll() is None:
            family += [c.pid for c in psutil.Process(self.process.pid).children(recursive=True)]
        for pid in family:
            if psutil.pid_exists(pid):
                os.kill(pid, 9)
        self.process.wait()

    def wait_until_ready(self) -> None:
        """Wait for /readyz; fails with the server's log if it ends before."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if call(self.port, "GET", "/readyz")[0] == 200:
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"not ready after {READY_SECONDS} s: {self.log.read_text()}")


@contextmanager
def serving(target: str, home: Path, **environment: str) -> Iterator[Server]:
    """`bentoml serve TARGET` with its stores below `home`, killed at the end."""
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    log = home / f"serve-{port}.log"
    variables = {**os.environ, "MLPLAT_HOME": str(home), "BENTOML_HOME": str(home / "bentoml")}
    variables |= {"BENTOML_DO_NOT_TRACK": "True", **environment}
    command = [sys.executable, "-m", "bentoml", "serve", target]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=variables, stdout=output, stderr=subprocess.STDOUT
        )
    server = Server(process, port, log)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.kill()


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def call(port: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and parsed body of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        return exchange(connection, method, path, body)
    finally:
        connection.close()


def exchange(
    connection: http.client.HTTPConnection, method: str, path: str, body: Any = None
) -> tuple[int, Any]:
    """Status and parsed body of one request on a kept connection."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"} if data else {}
    connection.request(method, path, body=data, headers=headers)
    response = connection.getresponse()
    content = response.read()
    is_json = response.headers.get("content-type", "").startswith("application/json")
    return response.status, json.loads(content) if is_json else content
