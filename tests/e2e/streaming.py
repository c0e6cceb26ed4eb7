"""Real processes of the streaming features: the feature server and the consumer."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from resources.settings import Settings
from tests.bentos.servers import ROOT, call, free_port

_PATIENCE = 90.0


class Process:
    """One `mlplat features ...` process."""

    def __init__(self, settings: Settings, log: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "mlplat_assets.cli", "features", *arguments]
        environment = {**os.environ, **settings.environment(), "PYTHONUNBUFFERED": "1"}
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
            )

    def kill(self) -> None:
        """SIGKILL, which no handler sees."""
        assert self._process.poll() is None, self._log.read_text()
        self._process.kill()
        self._process.wait()

    def drain(self) -> None:
        """SIGTERM; it must end by itself and well."""
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(_PATIENCE) == 0, self._log.read_text()

    def end(self) -> None:
        """Leave nothing behind."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def status(self) -> int | None:
        """Its exit status, None while it runs."""
        return self._process.poll()

    def says(self, text: str) -> bool:
        """Whether it has printed the text; fails when it has ended."""
        assert self._process.poll() is None, self._log.read_text()
        return text in self._log.read_text()


def await_that(happened, what: str) -> None:
    """Wait until it is so."""
    ticking = threading.Event()
    for _ in range(int(_PATIENCE / 0.01)):
        if happened():
            return
        ticking.wait(0.01)
    raise AssertionError(f"{what}: not after {_PATIENCE} s")


@contextmanager
def feature_server(settings: Settings, home: Path) -> Iterator[int]:
    """`mlplat features serve`; gives its port."""
    port = free_port()
    server = Process(settings, home / "server.log", "serve", "--port", str(port))

    def answers() -> bool:
        assert server.says("")
        try:
            return call(port, "GET", "/livez")[0] == 200
        except OSError:
            return False

    try:
        await_that(answers, "the feature server answers")
        yield port
    finally:
        server.end()
