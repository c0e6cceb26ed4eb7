"""The stores as the console's requests open them: shared, never created, away in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock

import duckdb

from mlplat_assets.commands.stores import (
    NotThereYet,
    StoreAway,
    lake_file_exists,
    opened_registry,
)
from resources.lake import Lake, lake_from
from resources.registry.registry import Registry
from resources.settings import Settings


class Stores:
    """The registry and the lake of the settings. The process's own token is of no use here."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lake = lake_from(settings)
        self._opening = Lock()

    @contextmanager
    def registry(self, token: str | None = None) -> Iterator[Registry]:
        """The registry for the length of the block, for the one whose token it is.

        Raises:
            NotThereYet: It has no tables.
            StoreAway: Its database does not answer.
        """
        with opened_registry(replace(self.settings, token=token)) as registry:
            yield registry

    @contextmanager
    def lake(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to the lake for the length of the block.

        Raises:
            NotThereYet: Its catalog does not exist.
            StoreAway: Its catalog or files cannot be read.
        """
        with self.opened_lake() as lake, lake.connect() as connection:
            yield connection

    @contextmanager
    def opened_lake(self) -> Iterator[Lake]:
        """The lake itself. Opened once a process: loading DuckDB's extensions costs 0.3 s.

        Raises:
            NotThereYet: Its catalog does not exist.
            StoreAway: Its catalog or files cannot be read.
        """
        if not lake_file_exists(self.settings):
            raise NotThereYet("lake", self.settings.lake_catalog)
        try:
            with self._opening, self._lake.connect():
                pass
            yield self._lake
        except duckdb.Error as error:
            # The next request attaches anew, as after a server's restart.
            self._lake.close()
            raise StoreAway("lake", self.settings.lake_catalog, error) from error
