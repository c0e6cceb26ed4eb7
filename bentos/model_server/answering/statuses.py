"""The statuses of an answer's features as JSON, which repeats from one answer to the next."""

from collections import Counter
from collections.abc import Sequence

import msgspec

# Of nulls in 33 columns there are a few hundred patterns in a day of flights.
_KEPT = 4096


class StatusText:
    """The object `feature_status` of one version's answers."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)
        self._known: dict[tuple[str, ...] | str, tuple[bytes, list[tuple[str, int]]]] = {}

    def of(self, statuses: tuple[str, ...] | str) -> tuple[bytes, list[tuple[str, int]]]:
        """The JSON, and how often each status is in it; one status stands for all columns."""
        known = self._known.get(statuses)
        if known is not None:
            return known
        if len(self._known) >= _KEPT:
            self._known.clear()
        each = statuses if isinstance(statuses, tuple) else (statuses,) * len(self._columns)
        text = msgspec.json.encode(dict(zip(self._columns, map(str, each), strict=True)))
        made = self._known[statuses] = (text, list(Counter(map(str, each)).items()))
        return made
