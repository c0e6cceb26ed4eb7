"""How long a Bento takes from `bentoml serve` to the first prediction it could answer."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from resources.settings import from_environment

START_SECONDS = 60.0
_POLL_SECONDS = 0.02
_END_SECONDS = 15.0
_LOG_CHARACTERS = 2000


class BentoDoesNotStart(RuntimeError):
    """The Bento was served and did not get ready."""


def start_up_seconds(bento: Path) -> float:
    """Serve a built Bento on a free port of the loopback until /readyz answers 200, then end it.

    It runs on embedded stores in an empty folder: no service, store or journal that exists is
    touched.

    Raises:
        BentoDoesNotStart: It ended before it was ready, or was not after a minute.
    """
    with tempfile.TemporaryDirectory(prefix="mlplat-start-") as folder:
        home = Path(folder)
        port = _free_port()
        command = [sys.executable, "-m", "bentoml", "serve", str(bento)]
        command += ["--host", "127.0.0.1", "--port", str(port)]
        alone = from_environment({"MLPLAT_HOME": str(home)}).environment()
        with (home / "log").open("wb") as log:
            began = time.perf_counter()
            process = subprocess.Popen(
                command,
                cwd=home,
                env={**os.environ, **alone},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                while not _is_ready(port):
                    late = time.perf_counter() - began > START_SECONDS
                    if late or process.poll() is not None:
                        raise BentoDoesNotStart(_told(bento, home / "log", process.returncode))
                    time.sleep(_POLL_SECONDS)
                return time.perf_counter() - began
            finally:
                _end(process)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _told(bento: Path, log: Path, status: int | None) -> str:
    outcome = f"was not ready after {START_SECONDS:g} s" if status is None else f"ended ({status})"
    return f"bentoml serve {bento} {outcome}: {log.read_text()[-_LOG_CHARACTERS:]}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """The supervisor ends its workers on SIGTERM; who is left in its group is killed."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_SECONDS)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
