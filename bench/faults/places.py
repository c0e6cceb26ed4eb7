"""Places that a bench can take away: a PostgreSQL database, a small file system."""

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa

_BLOCK = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Database:
    """A database of its own on a PostgreSQL server."""

    server: sa.Engine
    name: str

    @property
    def url(self) -> str:
        """Where clients find it."""
        return self.server.url.set(database=self.name).render_as_string(hide_password=False)

    @classmethod
    @contextmanager
    def created(cls, server: str) -> Iterator["Database"]:
        """An empty database, dropped afterwards."""
        engine = sa.create_engine(server, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        made = cls(server=engine, name=f"mlplat_bench_{uuid4().hex}")
        made._say(f"create database {made.name}")
        try:
            yield made
        finally:
            made._say(f"drop database {made.name} with (force)")

    def close(self) -> None:
        """Let nobody in, and throw out whoever is."""
        self._say(f"alter database {self.name} allow_connections false")
        ended = "select pg_terminate_backend(pid) from pg_stat_activity where datname = :name"
        with self.server.connect() as connection:
            connection.execute(sa.text(ended), {"name": self.name})

    def open(self) -> None:
        """Let clients in again."""
        self._say(f"alter database {self.name} allow_connections true")

    def _say(self, statement: str) -> None:
        with self.server.connect() as connection:
            connection.execute(sa.text(statement))


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A file system of its own."""

    folder: Path

    @classmethod
    @contextmanager
    def mounted(cls, folder: Path, megabytes: int = 2048) -> Iterator["Disk"]:
        """One in memory, unmounted afterwards.

        Raises:
            subprocess.CalledProcessError: Mounting is not allowed: it needs root.
        """
        folder.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
        subprocess.run(command, check=True)
        try:
            yield cls(folder=folder)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def fill(self) -> None:
        """Leave no byte."""
        with self._filler.open("ab", buffering=0) as stream:
            try:
                while True:
                    stream.write(b"\0" * _BLOCK)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        """Give the space back."""
        self._filler.unlink()
