"""The stores that the gateways are tested on: embedded ones, and real servers where there are."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.exc import OperationalError

from resources.lake import Lake
from resources.online_store import OnlineStore, OnlineStoreUnavailable, online_store
from resources.registry.registry import Registry, registry
from tests.services import postgres_server, redis_url, unavailable


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **passed: float) -> datetime:
        self.now += timedelta(**passed)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2013, 6, 1, 12, 0, 0, 123456, tzinfo=UTC))


@pytest.fixture(params=["sqlite", "postgresql"])
def registry_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database: a file, or a PostgreSQL schema dropped afterwards."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'registry' / 'registry.sqlite'}"
        return
    server = postgres_server()
    engine = sa.create_engine(server, poolclass=sa.NullPool, connect_args={"connect_timeout": 5})
    schema = f"mlplat_test_{uuid4().hex}"
    try:
        with engine.begin() as connection:
            connection.execute(sa.schema.CreateSchema(schema))
    except OperationalError as error:
        unavailable(f"PostgreSQL is not reachable at {server.render_as_string()}: {error.orig}")
    # The session's time zone must not show: a registry on this server still speaks UTC.
    options = f"-csearch_path={schema} -ctimezone=Asia/Kathmandu"
    yield server.update_query_dict({"options": options}).render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(sa.schema.DropSchema(schema, cascade=True))


@pytest.fixture
def store(registry_url: str, clock: Clock) -> Registry:
    """A migrated, empty registry."""
    store = registry(registry_url, clock)
    store.migrate()
    return store


@pytest.fixture
def view() -> str:
    """A view name of this test alone, since the Redis is shared."""
    return f"flights.weather_{uuid4().hex}"


@pytest.fixture(params=["sqlite", "redis"])
def online_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an online store on each backend, a real Redis included."""
    return (
        request.getfixturevalue("redis")
        if request.param == "redis"
        else (f"sqlite:///{tmp_path / 'online.sqlite'}")
    )


@pytest.fixture
def redis(view: str) -> Iterator[str]:
    """The URL of the Redis, which must be there where services are required."""
    url = redis_url()
    store = online_store(url)
    try:
        store.count(view)
    except OnlineStoreUnavailable as error:
        unavailable(f"Redis is not reachable at {url}: {error}")
    yield url
    store.clear(view)
    store.close()


@pytest.fixture
def online(online_url: str) -> Iterator[OnlineStore]:
    """The online store on each backend."""
    store = online_store(online_url)
    yield store
    store.close()


@pytest.fixture(params=["sqlite", "postgres"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lake]:
    """An empty lake on each catalog, a database of its own on a real PostgreSQL."""
    if request.param == "sqlite":
        yield Lake(
            f"sqlite:{tmp_path / 'catalog.sqlite'}", str(tmp_path / "data"), tmp_path / "lock"
        )
        return
    server = postgres_server()
    name = f"lake_{abs(hash(str(tmp_path)))}"
    plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    except psycopg.OperationalError as error:
        unavailable(f"PostgreSQL is not reachable: {error}")
    libpq = f"dbname={name} host={server.host} port={server.port or 5432} user={server.username}"
    opened = Lake(f"postgres:{libpq}", str(tmp_path / "data"), tmp_path / "lock")
    yield opened
    opened.close()
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
