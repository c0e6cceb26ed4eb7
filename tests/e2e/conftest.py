"""The small world, built once a session, and its environment around every test."""

from collections.abc import Iterator

import pytest

from tests.small_world import World, build_world, in_environment, settings_of


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    home = tmp_path_factory.mktemp("world")
    with in_environment(settings_of(home)):
        return build_world(home)


@pytest.fixture(autouse=True)
def environment(request: pytest.FixtureRequest) -> Iterator[None]:
    if "world" not in request.fixturenames:
        yield
        return
    world: World = request.getfixturevalue("world")
    with in_environment(world.settings):
        yield
