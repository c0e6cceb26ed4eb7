"""Whether the online store holds what the lake holds: every entity, value for value."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pyarrow as pa

from mlplat_assets.discovery import Declared
from mlplat_assets.features.online.rows import online_rows, view_columns
from mlplat_assets.keys import table
from mlplat_assets.spec import FeatureView
from resources.lake import Lake
from resources.online_store import FeatureValues, Key, OnlineRow, OnlineStore, ViewRequest

_KEYS_AT_ONCE = 1000
_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Difference:
    """An entity whose online row is not the lake's latest: what differs, and both of it."""

    key: Key
    what: str
    online: object
    offline: object

    def __str__(self) -> str:
        """One line for people."""
        key = ", ".join(map(str, self.key))
        return f"{key}: {self.what} is {self.online} online and {self.offline} in the lake"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A view online against the latest rows in effect in the lake.

    `ahead` are entities with an event later than any in effect in the lake: they were pushed.
    `differences` are the first of `different`.
    """

    entities: int
    ahead: int
    different: int
    differences: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        """Whether no entity differs."""
        return self.different == 0


def compare(
    lake: Lake, store: OnlineStore, view: Declared[FeatureView], as_of: datetime
) -> Comparison:
    """Compare every entity of the lake and of the online store as of a moment, UTC-aware.

    Event and created time, day and all values count, and their types.
    """
    tally = _Tally()
    held, known = 0, set[Key]()
    features = tuple(feature.name for feature in view.spec.features)
    for newest, rows in _latest_rows(lake, view, as_of):
        tally.newest = newest
        online = store.read([_request(view, row.key, features) for row in rows], as_of)
        for row, answer in zip(rows, online, strict=True):
            known.add(row.key)
            held += answer.event is not None
            tally.add(_difference(row, answer), answer)
    if store.count(view.full_name) > held:
        for key, answer in _beside(store, view, known, as_of):
            tally.add(Difference(key=key, what="the row", online="there", offline="absent"), answer)
    return Comparison(
        entities=len(known),
        ahead=tally.ahead,
        different=tally.different,
        differences=tuple(tally.shown),
    )


class _Tally:
    """Counts differences; one with an event that the lake has not come to yet is no difference."""

    def __init__(self) -> None:
        self.newest: datetime | None = None
        self.ahead = self.different = 0
        self.shown: list[Difference] = []

    def add(self, found: Difference | None, online: FeatureValues) -> None:
        if found is None:
            return
        at = online.event_timestamp
        if at is not None and self.newest is not None and at > self.newest:
            self.ahead += 1
            return
        self.different += 1
        if len(self.shown) < _SHOWN:
            self.shown.append(found)


def _latest_rows(
    lake: Lake, view: Declared[FeatureView], as_of: datetime
) -> Iterator[tuple[datetime, list[OnlineRow]]]:
    """The latest row in effect of each key, in batches, with the newest event of all."""
    until = as_of.astimezone(UTC).replace(tzinfo=None) - view.spec.landing_delay
    keys = [entity.name for entity in view.spec.entities]
    source = table("features", view.team, view.name)
    if not lake.has(source):
        return
    with lake.connect() as connection:
        found = connection.execute(
            f"""select {", ".join(view_columns(view.spec))}, max(event_timestamp) over () as newest
                from {source}
                where event_timestamp <= ? and {" and ".join(f"{k} is not null" for k in keys)}
                qualify row_number() over (
                    partition by {", ".join(keys)}
                    order by event_timestamp desc, created_timestamp desc, partition_day desc) = 1
            """,
            [until],
        )
        for batch in found.to_arrow_reader(_KEYS_AT_ONCE):
            frame = pl.DataFrame(pa.Table.from_batches([batch]))
            if len(frame):
                newest = frame["newest"][0].replace(tzinfo=UTC)
                yield newest, list(online_rows(frame, view.spec))


def _difference(row: OnlineRow, online: FeatureValues) -> Difference | None:
    if online.event is None:
        return Difference(key=row.key, what="the row", online="absent", offline="there")
    compared: list[tuple[str, Any, Any]] = [
        ("event time", online.event_timestamp, row.event_timestamp),
        ("created time", online.created_timestamp, row.created_timestamp),
        ("day", online.partition, row.partition),
        *((name, online.values[name], value) for name, value in row.values.items()),
    ]
    for what, there, here in compared:
        if not _same(there, here):
            return Difference(key=row.key, what=what, online=there, offline=here)
    return None


def _same(online: object, offline: object) -> bool:
    if isinstance(offline, float) and math.isnan(offline):
        offline = None  # as the store keeps it
    return type(online) is type(offline) and online == offline


def _beside(
    store: OnlineStore, view: Declared[FeatureView], known: set[Key], as_of: datetime
) -> Iterator[tuple[Key, FeatureValues]]:
    """The entities that the lake has no row of."""
    others = (key for key in store.keys(view.full_name) if key not in known)
    while batch := list(itertools.islice(others, _KEYS_AT_ONCE)):
        answers = store.read([_request(view, key, ()) for key in batch], as_of)
        yield from zip(batch, answers, strict=True)


def _request(view: Declared[FeatureView], key: Key, features: tuple[str, ...]) -> ViewRequest:
    return ViewRequest(view=view.full_name, key=key, features=features, ttl=None)
