"""Whether the audit log is whole, looked at once a minute at most."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from resources.registry.errors import AuditBroken
from resources.registry.reader import RegistryReader

# The whole registry is read for it: 10,000 entries take most of a second.
_STANDS = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check found.

    Attributes:
        at: When, UTC.
        entries: How many entries hold; 0 where `broken` says which one does not.
    """

    at: datetime
    entries: int
    broken: str | None


class AuditCheck:
    """The last check; one at a time."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._last: Checked | None = None
        self._lock = Lock()

    def of(self, registry: RegistryReader) -> Checked:
        """The check of this minute."""
        with self._lock:
            now = self._clock()
            if self._last is None or now - self._last.at >= _STANDS:
                self._last = _check(registry, now)
            return self._last


def _check(registry: RegistryReader, now: datetime) -> Checked:
    try:
        return Checked(at=now, entries=registry.verify_audit(), broken=None)
    except AuditBroken as error:
        return Checked(at=now, entries=0, broken=str(error))
