"""A worker follows the registry by itself, on both databases, and whatever happens to it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from bentos.model_server.routing.following import Follower
from resources.registry.notices import Notices
from resources.registry.registry import Registry, registry
from tests.bentos.artefacts import MODEL
from tests.bentos.versions import follower, promote, register
from tests.resources.conftest import registry_url

__all__ = ["registry_url"]
SECONDS = 2.0
BY: dict[str, Any] = {"actor": "cli", "reason": "try it"}


@pytest.fixture
def store(registry_url: str) -> Registry:
    made = registry(registry_url)
    made.migrate()
    return made


@contextmanager
def followed(following: Follower, url: str) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=following.follow, args=(stop, Notices(url, MODEL)))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        started = time.monotonic()
        thread.join(10)
        assert time.monotonic() - started < SECONDS and not thread.is_alive()


def effect(change: Callable[[], object], seen: Callable[[], bool]) -> float:
    """Seconds from a change's commit until it is seen."""
    change()
    started = time.monotonic()
    while not seen():
        assert time.monotonic() - started < 30
        time.sleep(0.002)
    return time.monotonic() - started


def test_each_change_takes_effect_within_two_seconds_and_back(
    store: Registry,
    registry_url: str,
    tmp_path: Path,
) -> None:
    promote(tmp_path, -1.0, store=store)
    following = follower(tmp_path, store=store)
    routing = following.routing

    def champion() -> int | None:
        return routing.active and routing.active.target.version

    def canaries() -> int:
        lanes = routing.table.lanes if routing.table else ()
        return sum(lane.variant == "canary" for lane in lanes)

    def raised(percent: int) -> float:
        return effect(
            lambda: store.set_share(MODEL, 2, percent, **BY), lambda: canaries() == percent * 100
        )

    with followed(following, registry_url):
        effect(lambda: None, lambda: champion() == 1)
        register(tmp_path, 1.0, store=store)
        taken = [raised(percent) for percent in (1, 5, 25)]
        good = {"approver": "ada@example.org", **BY}
        taken.append(effect(lambda: store.promote(MODEL, 2, **good), lambda: champion() == 2))
        assert canaries() == 0
        taken.append(effect(lambda: store.rollback(MODEL, **BY), lambda: champion() == 1))
    assert max(taken) < SECONDS, taken


# SQLite has no connection to lose.
@pytest.mark.parametrize("registry_url", ["postgresql"], indirect=True)
def test_a_lost_listener_listens_again(
    store: Registry,
    registry_url: str,
    tmp_path: Path,
) -> None:
    promote(tmp_path, -1.0, store=store)
    register(tmp_path, 1.0, store=store)
    following = follower(tmp_path, store=registry(registry_url))
    admin = sa.create_engine(registry_url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    # Only this listener: other tests have theirs on the same server.
    name = f"listener-{uuid4().hex}"
    url = sa.make_url(registry_url).update_query_dict({"application_name": name})
    with followed(following, url.render_as_string(hide_password=False)):
        effect(lambda: None, lambda: following.routing.active is not None)
        with admin.connect() as connection:
            ended = sa.text(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where application_name = :name"
            )
            effect(lambda: None, lambda: bool(connection.execute(ended, {"name": name}).all()))
        revision = following.routing.choose("u").revision
        taken = effect(
            lambda: store.set_share(MODEL, 2, 5, **BY),
            lambda: following.routing.choose("u").revision != revision,
        )
    assert taken < SECONDS
