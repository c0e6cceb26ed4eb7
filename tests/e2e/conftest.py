"""The small world, built once a session, and its environment around every test."""

from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from mlplat_assets.cli import app
from tests.small_world import World, build_world, copy_world, in_environment, settings_of


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The small world as it was built. No test changes it."""
    home = tmp_path_factory.mktemp("built")
    with in_environment(settings_of(home)):
        return build_world(home)


@pytest.fixture(scope="session")
def world(built: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """The small world that tests share, each adding to it."""
    home = tmp_path_factory.mktemp("world")
    with in_environment(settings_of(home)):
        return copy_world(built, home)


@pytest.fixture(scope="module")
def copy(built: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A copy of the small world for one module to change."""
    home = tmp_path_factory.mktemp("copy")
    with in_environment(settings_of(home)):
        return copy_world(built, home)


@pytest.fixture
def run(copy: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """Runs `mlplat ARGUMENTS` on the copy."""
    monkeypatch.setenv("COLUMNS", "160")
    with in_environment(copy.settings):
        yield lambda *arguments: CliRunner().invoke(app, list(arguments))


@pytest.fixture(autouse=True)
def environment(request: pytest.FixtureRequest) -> Iterator[None]:
    if "world" not in request.fixturenames:
        yield
        return
    world: World = request.getfixturevalue("world")
    with in_environment(world.settings):
        yield
