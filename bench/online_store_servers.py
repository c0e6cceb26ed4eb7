"""The servers of the online store bench: a Redis of its own, and Feast in its own interpreter."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from bench.peer_environment import peer_python

_FEAST = Path(__file__).with_name("online_store_feast.py")


@contextmanager
def redis_server(folder: Path) -> Iterator[int]:
    """A Redis without persistence for the length of the bench; gives its port."""
    program = shutil.which("redis-server")
    if program is None:
        raise FileNotFoundError("redis-server is not on the PATH: install Redis 7 or later")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    options = ["--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen([program, *options], stdout=log, stderr=log)
    try:
        client = redis.Redis(port=port)
        for _ in range(100):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


class Feast:
    """A process with Feast's two stores over the same files."""

    def __init__(self, folder: Path, port: int) -> None:
        self._log = folder / "feast.log"
        command = [peer_python("feast"), _FEAST, folder, f"127.0.0.1:{port},db=1"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )

    def ask(self, **command: object) -> Any:  # noqa: ANN401  (whatever the command answers)
        """The answer to one command."""
        asked, answers = self._process.stdin, self._process.stdout
        if asked is None or answers is None:
            raise RuntimeError("Feast's process has no pipes")
        asked.write(json.dumps(command) + "\n")
        asked.flush()
        answer = answers.readline()
        if not answer:
            raise RuntimeError(f"Feast ended: {self._log.read_text()[-2000:]}")
        return json.loads(answer)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
