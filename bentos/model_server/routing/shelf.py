"""Versions that are loaded: each once, warmed up, and a few that no table needs any more."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from logging import getLogger

from bentos.model_server.routing.versions import Served, Target

# The champion before, and one more: a rollback needs no loading.
_SPARE = 2
# A version that could not be loaded is tried again, but not at every look.
RETRY_SECONDS = 30.0
_log = getLogger("bentoml.mlplat.routing")


class Shelf:
    """Loads versions and keeps them. One thread uses it."""

    def __init__(
        self, load: Callable[[Target], Served], retry_seconds: float = RETRY_SECONDS
    ) -> None:
        self._load = load
        self._retry_seconds = retry_seconds
        self._held: dict[Target, Served] = {}
        self._failed: dict[Target, tuple[float, str]] = {}
        self._executor = ThreadPoolExecutor(1, "mlplat-loading")

    def put(self, served: Served) -> None:
        """Take in a version that was loaded elsewhere."""
        self._held[served.target] = served

    def get(self, target: Target) -> Served | str:
        """The version, loaded if it was not; in words why not, where that failed."""
        if held := self._held.get(target):
            return held
        if failed := self._failed.get(target):
            at, why = failed
            if time.monotonic() < at + self._retry_seconds:
                return why
        return self._try(target)

    @property
    def is_retry_due(self) -> bool:
        """Whether a version that could not be loaded may be tried again."""
        now = time.monotonic()
        return any(now >= at + self._retry_seconds for at, _ in self._failed.values())

    def keep(self, needed: set[Target]) -> None:
        """Let go of all but what a table needs and the last few that one did."""
        self._failed = {target: each for target, each in self._failed.items() if target in needed}
        for target in needed & self._held.keys():
            self._held[target] = self._held.pop(target)
        spare = [target for target in self._held if target not in needed]
        for target in spare[: max(len(spare) - _SPARE, 0)]:
            del self._held[target]

    def close(self) -> None:
        """Load no more."""
        self._executor.shutdown()

    def _try(self, target: Target) -> Served | str:
        # In a future, because an artefact can fail in any way there is.
        future = self._executor.submit(self._load, target)
        if error := future.exception():
            why = f"{type(error).__name__}: {error}"[:500]
            self._failed[target] = time.monotonic(), why
            return why
        self._failed.pop(target, None)
        self._held[target] = future.result()
        _log.info("version %d is loaded", target.version)
        return self._held[target]
