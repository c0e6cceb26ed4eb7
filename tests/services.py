"""The real servers and programs that some tests need.

A missing one skips the test with its name in the reason. With MLPLAT_REQUIRE_SERVICES=1, as in
CI, it fails the test.
"""

import os
from pathlib import Path
from typing import NoReturn

import pytest
import sqlalchemy as sa

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


def chromium() -> Path:
    """The browser's program, for playwright's `executable_path`."""
    if not CHROMIUM.exists():
        unavailable(f"chromium is not installed at {CHROMIUM}: apt-get install chromium")
    return CHROMIUM
