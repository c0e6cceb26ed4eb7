"""The serving process is killed under load; every acknowledged prediction is in the lake once."""

import http.client
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest

from mlplat_assets.demo.plan import Days
from mlplat_assets.demo.replay import requests
from tests.bentos.servers import ROOT, Server, exchange, serving
from tests.small_world import ARRIVAL, World

pytestmark = pytest.mark.xdist_group("world")
LIVE = Days(first=date(2013, 2, 16), last=date(2013, 2, 16))
CLIENTS = 4

# A second ingest, as a schedule in another process would start it; it waits to be told when.
_INGEST = """
import sys
from mlplat_assets.monitoring.predictions import ingest
from resources.lake import lake_from
from resources.settings import from_environment
settings = from_environment()
lake = lake_from(settings)
lake.snapshot()
print("ready", flush=True)
sys.stdin.readline()
print(ingest(lake, settings.journal / sys.argv[1], sys.argv[2]))
"""


def test_every_acknowledged_prediction_reaches_the_lake_exactly_once(world: World) -> None:
    model, inputs = world.model(ARRIVAL)
    bodies = [body for _, some in requests(world.lake, model, inputs, LIVE) for body in some]
    acknowledged: list[str] = []
    bento = world.metadata("bentos", ARRIVAL)["bento"]
    with serving(bento, world.home) as server, load(server, bodies, acknowledged):
        wait_for(acknowledged, random.randint(200, 600))
        server.kill()
    before_restart = len(acknowledged)
    assert before_restart >= 200
    with second_ingest() as second:
        with serving(bento, world.home) as server, load(server, bodies, acknowledged):
            wait_for(acknowledged, before_restart + 200)
            # While it serves: one in this process, one in another, at the same time.
            second.release()
            world.materialise(world.chain(ARRIVAL, ["predictions"]), LIVE)
            wait_for(acknowledged, len(acknowledged) + 100)
            server.kill()
        assert second.taken_in() >= 0
    world.materialise(world.chain(ARRIVAL, ["predictions"]), LIVE)
    taken_in = lake_ids(world)
    world.materialise(world.chain(ARRIVAL, ["predictions"]), LIVE)
    assert lake_ids(world) == taken_in, "nothing new, so nothing more in the lake"
    assert set(taken_in.values()) == {1}
    assert set(acknowledged) <= set(taken_in)
    assert len(acknowledged) == len(set(acknowledged)) > 400
    # A client that was waiting when the server died got no answer; its line may be there.
    assert len(taken_in) - len(acknowledged) <= 2 * CLIENTS


def lake_ids(world: World) -> Counter[str]:
    found = world.lake.read("select prediction_id from predictions.flights__arrival_delay")
    return Counter(found["prediction_id"].to_pylist())


@contextmanager
def load(server: Server, bodies: list[dict[str, Any]], acknowledged: list[str]) -> Iterator[None]:
    """Clients that ask without pause until the server is gone."""

    def ask(offset: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        try:
            while True:
                for body in bodies[offset::CLIENTS]:
                    status, answer = exchange(connection, "POST", "/v1/predict", body)
                    assert status == 200, answer
                    acknowledged.append(answer["prediction_id"])
        except (OSError, http.client.HTTPException):
            connection.close()

    clients = [threading.Thread(target=ask, args=(n,)) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        server.kill()
        for client in clients:
            client.join()


def wait_for(acknowledged: list[str], count: int, seconds: float = 30) -> None:
    ticking = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if len(acknowledged) >= count:
            return
        ticking.wait(0.01)
    raise AssertionError(f"{len(acknowledged)} of {count} answers after {seconds} s")


class SecondIngest:
    """The other process, waiting for its cue."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    def release(self) -> None:
        """Let it begin."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def taken_in(self) -> int:
        """How many predictions were new to it."""
        output, _ = self._process.communicate(timeout=60)
        assert self._process.returncode == 0
        return int(output)


@contextmanager
def second_ingest() -> Iterator[SecondIngest]:
    command = [sys.executable, "-c", _INGEST, ARRIVAL, "predictions.flights__arrival_delay"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        try:
            yield SecondIngest(process)
        finally:
            process.kill()
