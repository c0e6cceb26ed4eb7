"""The servers of the serving bench: how each is started, what it is asked, on which core."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.peer_environment import peer_python
from bench.serving_world import MODEL
from resources.settings import REPOSITORY

SERVER_CORE = 0
START_SECONDS = 180.0
_UVICORN = ["-m", "uvicorn", "--http", "httptools", "--loop", "uvloop", "--no-access-log"]
_QUIET = ["--log-level", "warning", "--host", "127.0.0.1", "--port"]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One server.

    Attributes:
        command: Its program and arguments; the port is put at the end.
        bodies: Which file of bodies it is asked with.
        path: Where it answers.
        environment: Added to ours.
        alone: Whether nothing else may run beside it, because it works when nobody asks.
    """

    name: str
    command: tuple[str, ...]
    bodies: str = "full"
    path: str = "/v1/predict"
    environment: Mapping[str, str] = field(default_factory=dict)
    alone: bool = False


@dataclass(frozen=True, kw_only=True)
class Running:
    """A started contender."""

    contender: Contender
    port: int
    process: psutil.Popen

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}{self.contender.path}"

    def family(self) -> list[psutil.Process]:
        """Its process and all below it."""
        return [self.process, *self.process.children(recursive=True)]

    def processor_seconds(self) -> float:
        """User and system seconds that its living processes have used."""
        return sum(sum(one.cpu_times()[:2]) for one in self.family() if one.is_running())


def contenders(world: Path, graph: Path, redis_url: str) -> list[Contender]:
    """All of them; `world` is the home folder of ours, `graph` the peers' network."""
    peers = {"SERVING_GRAPH": str(graph), "OMP_NUM_THREADS": "1"}
    return [
        Contender(name="asgi_floor", command=_uvicorn("bench.peers.floors:echo")),
        Contender(
            name="model_floor",
            command=_uvicorn("bench.peers.floors:model_only", "--factory"),
            environment=peers,
        ),
        ours("ours_full", world),
        ours("ours_redis", world, bodies="entities", MLPLAT_ONLINE_URL=redis_url),
        ours("ours_sqlite", world, bodies="entities"),
        Contender(
            name="fastapi",
            command=_uvicorn("bench.peers.fastapi_app:app", "--factory"),
            environment=peers,
        ),
        Contender(
            name="bentoml_batchable",
            command=_bentoml("bench.peers.stock:Stock"),
            bodies="batchable",
            path="/predict",
            environment={**peers, "BENTOML_HOME": str(world / "stock")},
        ),
        Contender(
            name="mlflow",
            command=(
                *(sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local"),
                *("--model-uri", str(world / "mlflow"), "--workers", "1"),
                *("--host", "127.0.0.1", "--port"),
            ),
            bodies="mlflow",
            path="/invocations",
            environment={**peers, "MLFLOW_DISABLE_TELEMETRY": "true"},
        ),
        Contender(
            name="ray_serve",
            command=(str(peer_python("ray")), "-m", "bench.peers.ray_app"),
            environment={**peers, "RAY_USAGE_STATS_ENABLED": "0"},
            alone=True,
        ),
    ]


def ours(
    name: str,
    world: Path,
    *,
    bodies: str = "full",
    target: str = "bentos.model_server.service:ModelServer",
    **environment: str,
) -> Contender:
    """The model server on the registry and the stores below `world`, a journal of its own."""
    return Contender(
        name=name,
        command=_bentoml(target),
        bodies=bodies,
        environment={
            "MLPLAT_HOME": str(world),
            "MLPLAT_MODEL": MODEL,
            "MLPLAT_JOURNAL": str(world / "journals" / name),
            "BENTOML_HOME": str(world / "bentoml"),
            **environment,
        },
    )


@contextmanager
def started(contender: Contender, log: Path, body: str, core: int | None) -> Iterator[Running]:
    """The contender, answering; all of its processes on one core, ended at the end.

    Raises:
        RuntimeError: It ended, or did not answer `body` in START_SECONDS; with its log.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **contender.environment}
    # Programs of a virtual environment that start others by name must find them.
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    with log.open("wb") as output:
        process = psutil.Popen(
            [*pinned, *contender.command, str(port)],
            cwd=REPOSITORY,
            env=environment | {"BENTOML_DO_NOT_TRACK": "True"},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    running = Running(contender=contender, port=port, process=process)
    try:
        _wait(running, log, body)
        yield running
    finally:
        end(running)


def end(running: Running, seconds: float = 20.0) -> None:
    """Terminate the process, and kill what is left of its family."""
    if not running.process.is_running():
        return
    family = running.family()
    running.process.terminate()
    _, alive = psutil.wait_procs(family, timeout=seconds)
    for process in alive:
        process.kill()


def curl_status(url: str, body: str = "") -> str:
    """The status of one request, a POST if it has a body; "000" where nobody answers."""
    command = ["curl", "--silent", "--output", os.devnull, "--write-out", "%{http_code}", url]
    if body:
        command += ["--header", "content-type: application/json", "--data", body]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _wait(running: Running, log: Path, body: str) -> None:
    deadline, status = time.monotonic() + START_SECONDS, ""
    while time.monotonic() < deadline and running.process.poll() is None:
        status = curl_status(running.url, body)
        if status == "200":
            return
        if status.startswith("4"):
            break
        time.sleep(0.2)
    said = log.read_text(errors="replace")[-3000:]
    raise RuntimeError(f"{running.contender.name} answered {status or 'nothing'}:\n{said}")


def _uvicorn(*app: str) -> tuple[str, ...]:
    return (sys.executable, *_UVICORN, *app, *_QUIET)


def _bentoml(target: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "bentoml", "serve", target, "--host", "127.0.0.1", "--port")


def require_programs() -> None:
    """That the programs of the bench are there.

    Raises:
        FileNotFoundError: One is not; says how to get it.
    """
    for program in ("wrk", "taskset", "curl", "redis-server"):
        if shutil.which(program) is None:
            raise FileNotFoundError(
                f"{program} is not on the PATH: apt-get install wrk util-linux curl redis-server"
            )
