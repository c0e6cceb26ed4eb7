"""The demo's own folder and processes: started fresh, and never left behind."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil

from resources.settings import REPOSITORY, Settings, from_environment

MARKER = "demo.json"
SERVICE_SECONDS = 180.0


def fresh_settings(home: Path) -> Settings:
    """An empty home for the demo, with embedded stores whatever else is configured.

    What an earlier demo left there, killed or finished, is ended and removed.

    Raises:
        FileExistsError: The folder holds something that no demo made.
    """
    marker = home / MARKER
    if home.exists() and any(home.iterdir()):
        if not marker.exists():
            raise FileExistsError(
                f"{home} holds stores that the demo did not make, and the demo starts from "
                "nothing; set MLPLAT_HOME to another folder"
            )
        _end(json.loads(marker.read_text()).get("processes", {}))
        # The marker goes last: a demo killed while clearing is still known as a demo.
        for path in home.iterdir():
            if path != marker:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    marker.write_text(json.dumps({"processes": {}}))
    url = f"http://127.0.0.1:{_free_port()}"
    return from_environment({"MLPLAT_HOME": str(home), "MLPLAT_SERVING_URL": url})


@contextmanager
def running(name: str, command: list[str], settings: Settings) -> Iterator[subprocess.Popen]:
    """A child process that writes to a log in the home folder and ends with the block."""
    log = settings.home / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=os.environ | settings.environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _remember(settings.home, name, process.pid)
    try:
        yield process
    finally:
        _end({name: process.pid})
        process.wait()


def daemon(settings: Settings) -> AbstractContextManager[subprocess.Popen]:
    """The Dagster daemon: sensors, automation, run queue."""
    command = [_script("dagster-daemon"), "run", "-w", str(REPOSITORY / "workspace.yaml")]
    return running("daemon", command, settings)


def service(bento: str, settings: Settings) -> AbstractContextManager[subprocess.Popen]:
    """`bentoml serve` of a Bento, on the demo's port of the loopback."""
    host, _, port = settings.serving_url.removeprefix("http://").partition(":")
    command = [_script("bentoml"), "serve", bento, "--host", host, "--port", port]
    return running("service", command, settings)


def wait_until(
    what: str, ready: Callable[[], bool], processes: list[subprocess.Popen], seconds: float
) -> None:
    """Poll until ready.

    Raises:
        RuntimeError: A process that it depends on has ended.
        TimeoutError: It did not become ready in time.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        for process in processes:
            if process.poll() is not None:
                raise RuntimeError(f"{what}: {process.args} ended with code {process.returncode}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.3)


def answers(settings: Settings) -> bool:
    """Whether the service is ready."""
    try:
        with urllib.request.urlopen(f"{settings.serving_url}/readyz", timeout=2) as response:
            return response.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _script(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _remember(home: Path, name: str, pid: int) -> None:
    marker = home / MARKER
    known = json.loads(marker.read_text())
    known["processes"][name] = pid
    marker.write_text(json.dumps(known))


def _end(processes: dict[str, int]) -> None:
    """End processes and all their children: politely, then by force."""
    found = []
    for pid in processes.values():
        try:
            process = psutil.Process(pid)
            # A pid may have been given to another program since.
            if any("dagster" in part or "bentoml" in part for part in process.cmdline()):
                found += [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
    for process in found:
        _signal(process, signal.SIGTERM)
    for process in psutil.wait_procs(found, timeout=3)[1]:
        _signal(process, signal.SIGKILL)


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
