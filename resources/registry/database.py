"""The registry's database: transactions that take turns, and the schema's migrations."""

import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError, ProgrammingError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from resources.registry.errors import RegistryNotMigrated

if TYPE_CHECKING:
    from alembic.config import Config

WAIT_SECONDS = 30
# Few: writers take turns anyway, and every process of a platform holds its own.
_POOL: dict[str, Any] = {"pool_size": 1, "max_overflow": -1, "pool_pre_ping": True}


class Database:
    """A SQLite file or a PostgreSQL schema.

    A process keeps a connection open between transactions. It is tried before use, belongs to the
    process that opened it and to the file that it opened, and is closed with this object.
    """

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)
        match self.url.get_backend_name():
            case "sqlite":
                self._reader, self._writer = _sqlite(self.url)
            case "postgresql":
                self._reader, self._writer = _postgresql(self.url)
            case other:
                raise ValueError(f"registry URL {url!r}: {other} is neither sqlite nor postgresql")
        weakref.finalize(self, _close, self._writer, os.getpid())

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one snapshot and waits for nobody.

        Raises:
            RegistryNotMigrated: The tables are not there.
        """
        with self._explaining(), self._reader.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that is alone: writers take turns, so that moves have one order.

        Raises:
            RegistryNotMigrated: The tables are not there.
        """
        with self._explaining(), self._alone() as connection:
            yield connection

    def upgrade(self) -> None:
        """Create the tables or bring them up to date; cheap when they are, safe when raced."""
        from alembic import command

        if self.url.get_backend_name() == "sqlite":
            self._prepare_file()
        if not self._is_current():
            with self._alone() as connection:
                command.upgrade(_alembic(connection), "head")

    def downgrade(self, revision: str) -> None:
        """Take the schema back to a revision, `base` being empty."""
        from alembic import command

        with self._alone() as connection:
            command.downgrade(_alembic(connection), revision)

    def _is_current(self) -> bool:
        from alembic.migration import MigrationContext
        from alembic.script import ScriptDirectory

        with self._reader.begin() as connection:
            found = MigrationContext.configure(connection).get_current_heads()
            heads = ScriptDirectory.from_config(_alembic(connection)).get_heads()
        return set(found) == set(heads)

    def _prepare_file(self) -> None:
        Path(str(self.url.database)).parent.mkdir(parents=True, exist_ok=True)
        connection = self._writer.raw_connection()
        try:
            connection.cursor().execute("pragma journal_mode = wal")
        finally:
            connection.close()

    @contextmanager
    def _alone(self) -> Iterator[sa.Connection]:
        with self._writer.begin() as connection:
            if self.url.get_backend_name() == "postgresql":
                connection.exec_driver_sql(f"set local lock_timeout = '{WAIT_SECONDS}s'")
                connection.exec_driver_sql(
                    "select pg_advisory_xact_lock("
                    "hashtext('mlplat.registry'), hashtext(current_schema()))"
                )
            yield connection

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, ProgrammingError) as error:
            if _lacks_table(error) or not self._has_tables():
                raise RegistryNotMigrated(
                    f"{self.url.render_as_string()}: registry tables are missing; "
                    "call Registry.migrate() first"
                ) from error
            raise

    def _has_tables(self) -> bool:
        if self.url.get_backend_name() == "sqlite" and not Path(str(self.url.database)).exists():
            return False
        with self._reader.connect() as connection:
            return sa.inspect(connection).has_table("versions")


def _lacks_table(error: DBAPIError) -> bool:
    """Whether a table is not there, as in a registry that was not upgraded yet."""
    undefined = getattr(error.orig, "sqlstate", None) == "42P01"
    return undefined or "no such table" in str(error.orig)


def _sqlite(url: sa.URL) -> tuple[sa.Engine, sa.Engine]:
    if not url.database or url.database == ":memory:":
        raise ValueError(f"registry URL {url}: name a file, as in sqlite:////var/lib/registry.db")
    engine = sa.create_engine(
        url,
        **_POOL,
        # isolation_level None: the driver opens no transaction of its own, `begin` below does.
        connect_args={"timeout": WAIT_SECONDS, "isolation_level": None},
    )

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "begin"))

    _keep_to_origin(engine, Path(url.database))
    # A deferred transaction that reads and then writes can fail at once; an immediate one waits.
    return engine, engine.execution_options(begin="begin immediate")


def _postgresql(url: sa.URL) -> tuple[sa.Engine, sa.Engine]:
    # READ COMMITTED for writers: what they read must be newer than the lock they waited for.
    engine = sa.create_engine(url, **_POOL, isolation_level="READ COMMITTED")
    _keep_to_origin(engine)
    return engine.execution_options(isolation_level="REPEATABLE READ"), engine


def _keep_to_origin(engine: sa.Engine, file: Path | None = None) -> None:
    """Let nobody use a connection of another process, or to a file that was taken away.

    A child that inherited one by a fork would talk on its parent's line. A SQLite file that was
    moved away, or another one put in its place, would still be read as it was.
    """

    @event.listens_for(engine, "connect")
    def remember(_: object, record: ConnectionPoolEntry) -> None:
        record.info["process"], record.info["file"] = os.getpid(), _identity(file)

    @event.listens_for(engine, "checkout")
    def check(_: object, record: ConnectionPoolEntry, proxy: PoolProxiedConnection) -> None:
        if record.info["process"] != os.getpid():
            # Dropped, not closed: closing would end the parent's line as well.
            record.dbapi_connection = proxy.dbapi_connection = None  # type: ignore[misc]
            raise DisconnectionError(f"opened by process {record.info['process']}")
        if record.info["file"] != _identity(file):
            raise DisconnectionError(f"{file} is another file now")


def _identity(file: Path | None) -> tuple[int, int] | None:
    """The device and inode of a file; None where there is none."""
    if file is None or not file.exists():
        return None
    found = file.stat()
    return found.st_dev, found.st_ino


def _close(engine: sa.Engine, process: int) -> None:
    engine.dispose(close=process == os.getpid())


def _alembic(connection: sa.Connection) -> "Config":
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "resources.registry:migrations")
    return config
