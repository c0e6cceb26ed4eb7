"""The last table that was in force, as a file: a restart without the registry serves on."""

import os
import uuid
from logging import getLogger
from pathlib import Path

import msgspec

from resources.registry.errors import TrafficInvalid
from resources.registry.traffic_table import TrafficTable, require_valid

_log = getLogger("bentoml.mlplat.routing")


class KnownTable:
    """A file that every worker of the model writes, whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, table: TrafficTable) -> None:
        """Write the table; a disk that refuses is logged, since it stops nobody from answering."""
        temporary = self._path.with_name(f".{self._path.name}-{os.getpid()}-{uuid.uuid4().hex}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(msgspec.json.encode(table))
            temporary.replace(self._path)
        except OSError as error:
            _log.warning(
                "%s cannot be written, a restart needs the registry: %s", self._path, error
            )
            temporary.unlink(missing_ok=True)

    def load(self) -> TrafficTable | None:
        """The table, None where there is none that can be read."""
        try:
            table = msgspec.json.decode(self._path.read_bytes(), type=TrafficTable)
            require_valid(table.traffic)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, TrafficInvalid) as error:
            _log.warning("%s is not used: %s", self._path, error)
            return None
        return table
