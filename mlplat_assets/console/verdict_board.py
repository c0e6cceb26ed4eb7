"""The newest drift verdict of every model, read again only where the lake has changed.

A table takes 10 ms to read, 100 of them a second; what changed since tells the lake itself.
"""

from collections.abc import Iterable
from threading import Lock

import duckdb

from mlplat_assets.console.drift_tables import DayVerdict, newest_verdicts
from mlplat_assets.keys import table

_CHANGES = """
with newer as (
    select snapshot_id, flatten(map_values(changes)) as touched
    from ducklake_snapshots('lake') where snapshot_id > ?
)
select (select count(*) from newer),
       list(distinct tables.table_name) filter (tables.table_name is not null)
from (select unnest(touched) as table_id from newer) as ids
join ducklake_table_info('lake') as tables on tables.table_id::varchar = ids.table_id
"""


class VerdictBoard:
    """What was read last, and of which snapshot of the lake."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._snapshot = -1
        self._known: dict[str, DayVerdict | None] = {}

    def read(
        self, connection: duckdb.DuckDBPyConnection, models: Iterable[str]
    ) -> dict[str, DayVerdict]:
        """The verdicts of now, by model; none of a model that no day was compared of."""
        with self._lock:
            self._forget_changed(connection)
            missing = [model for model in models if model not in self._known]
            found = newest_verdicts(connection, missing)
            self._known |= {model: found.get(model) for model in missing}
            return {model: told for model in models if (told := self._known[model])}

    def _forget_changed(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Before anything is read, so that what is written meanwhile is read next time."""
        newest = connection.execute("select max(snapshot_id) from ducklake_snapshots('lake')")
        snapshot: int = newest.fetchall()[0][0]
        if snapshot == self._snapshot:
            return
        count, changed = connection.execute(_CHANGES, [self._snapshot]).fetchall()[0]
        if count != snapshot - self._snapshot:
            # Snapshots between were expired, or it is another lake: nobody knows what changed.
            self._known = {}
        for model in list(self._known):
            if table("drift", *model.split(".", 1)).partition(".")[2] in (changed or ()):
                del self._known[model]
        self._snapshot = snapshot
