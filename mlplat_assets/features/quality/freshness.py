"""How old the newest event of each view is, held against what the view promises.

Measured on the events in the lake, not on runs: a run that finds nothing new succeeds, and the
view grows old all the same. Times are UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mlplat_assets.discovery import Catalogue
from mlplat_assets.keys import table
from resources.lake import Lake


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """The newest event of a view at a moment, and the greatest age that the view promises.

    An event of the future, such as the end of the day that a row sums up, is not counted yet.
    """

    at: datetime
    newest_event: datetime | None
    promised: timedelta | None

    @property
    def age(self) -> timedelta | None:
        """How long ago the newest event was; None for a view without one."""
        return None if self.newest_event is None else self.at - self.newest_event

    @property
    def fresh(self) -> bool | None:
        """Whether the promise is kept; None without a promise. A view without events is stale."""
        if self.promised is None:
            return None
        return self.age is not None and self.age <= self.promised

    @property
    def stale_since(self) -> datetime | None:
        """When the promise was broken; None while it is kept, and for a view without events."""
        if self.promised is None or self.newest_event is None or self.fresh:
            return None
        return self.newest_event + self.promised

    def __str__(self) -> str:
        """One line for people."""
        if self.newest_event is None:
            return "no event in the lake"
        told = f"newest event {self.newest_event:%Y-%m-%d %H:%M} UTC, {whole(self.age)} old"
        if self.promised is None:
            return f"{told}, no age promised"
        if self.stale_since is None:
            return f"{told}, promised at most {whole(self.promised)}"
        return f"{told}, stale since {self.stale_since:%Y-%m-%d %H:%M} UTC"


def freshness(lake: Lake, declared: Catalogue, at: datetime) -> dict[str, Freshness]:
    """The freshness of every view at a UTC-aware moment, by full name; one query for all.

    Raises:
        ValueError: The moment has no time zone.
    """
    if at.tzinfo is None:
        raise ValueError(f"at={at} has no time zone; give a UTC-aware datetime")
    newest = _newest_events(lake, declared, at)
    return {
        name: Freshness(at=at, newest_event=newest.get(name), promised=view.spec.freshness)
        for name, view in declared.views.items()
    }


def _newest_events(lake: Lake, declared: Catalogue, at: datetime) -> Mapping[str, datetime]:
    held = lake.read(
        "select table_name from duckdb_tables() "
        "where database_name = 'lake' and schema_name = 'features'"
    )
    tables = set(held["table_name"].to_pylist())
    present = {
        name: table("features", view.team, view.name)
        for name, view in declared.views.items()
        if f"{view.team}__{view.name}" in tables
    }
    if not present:
        return {}
    query = " union all ".join(
        f"select '{name}' as name, max(event_timestamp) as newest from {table_name} "
        "where event_timestamp <= $1"
        for name, table_name in present.items()
    )
    rows = lake.read(query, [at.astimezone(UTC).replace(tzinfo=None)]).to_pylist()
    return {row["name"]: row["newest"].replace(tzinfo=UTC) for row in rows if row["newest"]}


def whole(span: timedelta | None) -> str:
    """A span to the minute, as 2 days 03:15."""
    seconds = int((span or timedelta(0)).total_seconds())
    days, rest = divmod(seconds, 86400)
    clock = f"{rest // 3600:02}:{rest % 3600 // 60:02}"
    return f"{days} day{'' if days == 1 else 's'} {clock}" if days else clock
