"""The latest feature values by entity, for serving: one contract, SQLite or Redis behind it.

Times are UTC-aware and exact to the microsecond. A key is an ordered tuple of entity values,
encoded as an array, so that ("a", "bc") and ("ab", "c") differ. NaN is stored as null.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Protocol

import msgspec

# A feature's value. Integers are exact from -2^63 to 2^64 - 1, floats to the bit (a float32 is a
# float that fits one), a datetime is UTC-aware and exact to the microsecond.
Value = (
    bool | int | float | str | bytes | datetime
    | list[bool] | list[int] | list[float] | list[str] | None
)  # fmt: skip
KeyValue = bool | int | float | str | None
Key = tuple[KeyValue, ...]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class OnlineStoreUnavailable(RuntimeError):
    """The store's server or file cannot be read or written now."""


class Status(StrEnum):
    """What a returned feature value is.

    PRESENT: a value. NULL: the latest row holds null, or was written without the feature.
    NOT_FOUND: no row for the entity, or a part of its key is null. OUTSIDE_MAX_AGE: the latest
    row is older than the view's ttl.
    """

    PRESENT = "PRESENT"
    NULL = "NULL"
    NOT_FOUND = "NOT_FOUND"
    OUTSIDE_MAX_AGE = "OUTSIDE_MAX_AGE"


# What is made once per row or per request is a Struct: a frozen dataclass takes ten times as
# long to make, more than Redis takes to answer. None is in a cycle, so the collector skips them.
class OnlineRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One entity's values of one view, and the lake partition (`2013-01-05`) they came from."""

    key: Key
    event_timestamp: datetime
    created_timestamp: datetime
    partition: str
    values: Mapping[str, Value]


class Replacement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A correction of the row that was written with these two times for this key.

    `row` takes its place, even an older one; None forgets the key.
    """

    key: Key
    event_timestamp: datetime
    created_timestamp: datetime
    row: OnlineRow | None


class ViewRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Which features of which entity are wanted; `ttl` None or zero means any age."""

    view: str
    key: Key
    features: tuple[str, ...]
    ttl: timedelta | None


class FeatureValues(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The answer to one ViewRequest, features in its order.

    `values` is None wherever the status is not PRESENT. `event` and `created` are the row's times
    in microseconds since 1970 UTC and `partition` where it came from; None if there is no row.
    """

    view: str
    status_by_feature: Mapping[str, Status]
    values: Mapping[str, Value]
    event: int | None
    created: int | None
    partition: str | None

    @property
    def event_timestamp(self) -> datetime | None:
        """The row's event time, UTC."""
        return None if self.event is None else _EPOCH + timedelta(microseconds=self.event)

    @property
    def created_timestamp(self) -> datetime | None:
        """When the row became known, UTC."""
        return None if self.created is None else _EPOCH + timedelta(microseconds=self.created)


@dataclass(frozen=True, kw_only=True)
class SyncedPartition:
    """Which state of a lake partition the store holds: its rows' digest, the lake's snapshot."""

    digest: str
    snapshot: int


class OnlineStore(Protocol):
    """The contract. Every method raises OnlineStoreUnavailable when the backend is away.

    A row is written and read as a whole: no reader sees a part of one. Thread-safe.
    """

    @property
    def is_local(self) -> bool:
        """Whether `read` looks into a file of this machine, so that an event loop may wait."""
        ...

    def write(self, view: str, rows: Iterable[OnlineRow]) -> int:
        """Write rows that are not older than what is held; returns how many took effect.

        Order is (event_timestamp, created_timestamp); of equals the last written wins. A row
        with a null in its key is passed over: it could never be read.

        Raises:
            ValueError: A value cannot be stored exactly; rows before it may be written.
        """
        ...

    def replace(self, view: str, changes: Iterable[Replacement]) -> int:
        """Correct rows, each atomically; returns how many changes took effect.

        Where the held row has exactly the times of the change, its `row` takes the place, even
        if older (None: the key is forgotten). Where another row or none is held, a change is a
        plain write of its `row` (None: nothing), so that a newer value is never lost.
        """
        ...

    def read(self, requests: Sequence[ViewRequest], at: datetime) -> list[FeatureValues]:
        """Answers in request order, in one round trip; ttl is measured back from `at`.

        A value is present when `at - ttl <= event_timestamp`. A row later than `at` is still
        the latest known and is returned.
        """
        ...

    async def aread(self, requests: Sequence[ViewRequest], at: datetime) -> list[FeatureValues]:
        """What `read` answers, without blocking the running event loop."""
        ...

    def delete(self, view: str, keys: Iterable[Key]) -> int:
        """Forget entities, however new; returns how many were held."""
        ...

    def count(self, view: str) -> int:
        """How many entities the view holds."""
        ...

    def keys(self, view: str) -> Iterator[Key]:
        """Every key held throughout the iteration, once, in no order. Slow: for audits."""
        ...

    def clear(self, view: str) -> None:
        """Forget every entity of the view and its sync state."""
        ...

    def synced(self, view: str) -> dict[date, SyncedPartition]:
        """The lake partitions that the held rows came from; empty once the rows are lost."""
        ...

    def mark_synced(self, view: str, partitions: Mapping[date, SyncedPartition]) -> None:
        """Add partitions to the sync state, or put them in the place of their former ones."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


def online_store(url: str, timeout: float = 2.0) -> OnlineStore:
    """The store at `sqlite:///PATH` or `redis://HOST:PORT/DB` (`rediss://` for TLS).

    `timeout` bounds, in seconds, each wait for the server or for another writer of the file.

    Raises:
        ValueError: The URL has another scheme.
    """
    if url.startswith("sqlite:///"):
        from resources.online_sqlite import SqliteOnlineStore

        return SqliteOnlineStore(url.removeprefix("sqlite:///"), timeout)
    if url.startswith(("redis://", "rediss://")):
        from resources.online_redis import RedisOnlineStore

        return RedisOnlineStore(url, timeout)
    raise ValueError(f"online store URL {url!r}: use sqlite:///PATH or redis://HOST:PORT/DB")
