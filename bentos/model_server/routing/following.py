"""How a worker follows the registry: look, load, compile, switch, remember.

Whatever goes wrong, the table in force stays: the registry is away, its table contradicts itself,
or its champion cannot be loaded. An arm that cannot be loaded is the champion's meanwhile.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from logging import getLogger
from pathlib import Path
from typing import TYPE_CHECKING

from bentos.model_server.routing.known import KnownTable
from bentos.model_server.routing.shelf import RETRY_SECONDS, Shelf
from bentos.model_server.routing.table import compiled, target_of, targets_of
from bentos.model_server.routing.versions import (
    Checked,
    NotServing,
    Routing,
    Served,
    Table,
    Target,
)
from resources.registry.traffic_table import TrafficTable

if TYPE_CHECKING:
    from resources.registry.notices import Notices

# With PostgreSQL a change is told at once, and this is for when it is not.
POLL_SECONDS = 0.5
_log = getLogger("bentoml.mlplat.routing")


class Follower:
    """Keeps the routing of one worker at the registry's table.

    `read` gives the table and `fetch` a verified local folder of an artefact; both may raise.
    """

    def __init__(
        self,
        *,
        routing: Routing,
        read: Callable[[], TrafficTable],
        fetch: Callable[[str], Path],
        known: KnownTable,
        clock: Callable[[], datetime],
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self.routing = routing
        self._read = read
        self._fetch = fetch
        self._known = known
        self._clock = clock
        self._shelf = Shelf(self._load, retry_seconds)
        self._adopted: TrafficTable | None = None
        self._executor = ThreadPoolExecutor(1, "mlplat-routing")

    def serve_alone(self, served: Served) -> None:
        """Answer every unit with this version until a table is known."""
        self._shelf.put(served)
        self.routing.activate(served)

    def recall(self) -> None:
        """Take up the last table that was known here, where its champion can be loaded."""
        table = self._known.load()
        if table is not None and table.model == self.routing.model:
            failure = self._executor.submit(self._adopt, table).exception()
            if failure is not None:
                _log.warning("%s: the last known table: %s", self.routing.model, failure)

    def refresh(self) -> bool:
        """Look at the registry once and switch if its table is another one.

        Raises whatever the registry or the artifact store raises; nothing has changed then.
        """
        table = self._read()
        if table.champion is None or (table == self._adopted and not self._shelf.is_retry_due):
            return False
        self._adopt(table)
        self._known.save(table)
        return True

    def check(self) -> None:
        """Refresh once; what it raises becomes `checked.error` and is logged when it changes."""
        failure = self._executor.submit(self.refresh).exception()
        error = None if failure is None else f"{type(failure).__name__}: {failure}"[:500]
        if error is not None and error != self.routing.checked.error:
            _log.warning("%s: the last known table serves on: %s", self.routing.model, error)
        self.routing.checked = Checked(at=self._clock(), error=error)

    def follow(self, stop: threading.Event, notices: "Notices") -> None:
        """Look at once, at every word of a change and twice a second, until told to stop."""
        while not stop.is_set():
            self.check()
            notices.wait(stop, POLL_SECONDS)
        notices.close()
        self._shelf.close()
        self._executor.shutdown()

    def _adopt(self, table: TrafficTable) -> None:
        if table.champion is None:
            return
        champion = self._shelf.get(target_of(table.champion))
        if isinstance(champion, str):
            raise NotServing(f"champion, version {table.champion.version}: {champion}")
        self._switch(compiled(table, champion, self._shelf.get))
        self._adopted = table
        self._shelf.keep(targets_of(table))

    def _switch(self, table: Table) -> None:
        before = self.routing.table
        self.routing.table = table
        for problem in table.problems:
            if before is None or problem not in before.problems:
                _log.warning("%s: the champion answers instead: %s", self.routing.model, problem)
        if before is None or before.champion.target != table.champion.target:
            version = table.champion.target.version
            _log.info("%s version %d answers now", self.routing.model, version)

    def _load(self, target: Target) -> Served:
        return self.routing.load(target, self._fetch(target.artifact_digest))
