"""The real servers and programs that some tests need.

A missing one skips the test with its name in the reason. With MLPLAT_REQUIRE_SERVICES=1, as in
CI, it fails the test.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
import redis
import sqlalchemy as sa
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from tests.bentos.servers import free_port

CHROMIUM = Path("/usr/bin/chromium")


def unavailable(reason: str) -> NoReturn:
    """End the test: skipped, or failed where services are required."""
    if os.environ.get("MLPLAT_REQUIRE_SERVICES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def postgres_server() -> sa.URL:
    """Where PostgreSQL is (MLPLAT_TEST_POSTGRES_URL); the user must be able to create databases."""
    named = os.environ.get("MLPLAT_TEST_POSTGRES_URL")
    return sa.make_url(named or "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")


def redis_url() -> str:
    """Where Redis is (MLPLAT_TEST_REDIS_URL)."""
    return os.environ.get("MLPLAT_TEST_REDIS_URL", "redis://127.0.0.1:6379/15")


@contextmanager
def own_redis(folder: Path, *settings: str) -> Iterator[str]:
    """The URL of a Redis server that is started for this alone, without persistence."""
    if shutil.which("redis-server") is None:
        unavailable("redis-server is not on the PATH")
    port = free_port()
    command = ["redis-server", "--port", str(port), "--save", "", "--dir", str(folder), *settings]
    server = subprocess.Popen([*command, "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        with redis.Redis.from_url(url, retry=Retry(ConstantBackoff(0.1), 100)) as client:
            client.ping()
        yield url
    finally:
        server.kill()
        server.wait()


def chromium() -> Path:
    """The browser's program, for playwright's `executable_path`."""
    if not CHROMIUM.exists():
        unavailable(f"chromium is not installed at {CHROMIUM}: apt-get install chromium")
    return CHROMIUM
