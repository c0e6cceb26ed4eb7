"""The statuses of an answer's features as JSON, which repeats from one answer to the next."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

# In the journal: the status of every column that is not named.
REST = "*"
# Of nulls in 33 columns there are a few hundred patterns in a day of flights.
_KEPT = 4096


class StatusTexts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The object `feature_status` of an answer, and what is recorded of it.

    Recorded are the columns whose status is not the commonest, and that under `*`: a third of a
    line of 40 columns was the same word.
    """

    answered: bytes
    recorded: bytes
    counts: tuple[tuple[str, int], ...]


class StatusText:
    """The statuses of one version's answers."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)
        self._known: dict[tuple[str, ...] | str, StatusTexts] = {}

    def of(self, statuses: tuple[str, ...] | str) -> StatusTexts:
        """The JSON of a status for each column; one status stands for all."""
        known = self._known.get(statuses)
        if known is not None:
            return known
        if len(self._known) >= _KEPT:
            self._known.clear()
        each = statuses if isinstance(statuses, tuple) else (statuses,) * len(self._columns)
        by_column = dict(zip(self._columns, map(str, each), strict=True))
        counts = Counter(by_column.values())
        made = self._known[statuses] = StatusTexts(
            answered=msgspec.json.encode(by_column),
            recorded=msgspec.json.encode(_shortened(by_column, counts)),
            counts=tuple(counts.items()),
        )
        return made


def _shortened(by_column: Mapping[str, str], counts: Counter[str]) -> dict[str, str]:
    if not counts:
        return {}
    commonest = counts.most_common(1)[0][0]
    others = {name: status for name, status in by_column.items() if status != commonest}
    return {REST: commonest} | others
