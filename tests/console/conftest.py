"""One furnished home for the tests that only read: a lake takes seconds to make."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.clients import Client
from tests.console.homes import console, furnished
from tests.small_home import settings_at


@pytest.fixture(scope="package")
def read_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("console")
    furnished(home)
    return home


@pytest.fixture(scope="package")
def read_port(read_home: Path) -> Iterator[int]:
    with console(settings_at(read_home)) as port:
        yield port


@pytest.fixture
def reader(read_port: int) -> Client:
    """Somebody without a token, on the furnished home."""
    return Client(port=read_port)
