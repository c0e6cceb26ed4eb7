"""The latest feature values by entity, for serving: one contract, SQLite or Redis behind it.

Times are UTC-aware and exact to the microsecond. A key is an ordered tuple of entity values,
encoded as an array, so that ("a", "bc") and ("ab", "c") differ. NaN is stored as null.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

import msgspec

Value = bool | int | float | str | None
KeyValue = bool | int | float | str | None

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class OnlineStoreUnavailable(RuntimeError):
    """The store's server or file cannot be read or written now."""


class Status(StrEnum):
    """What a returned feature value is.

    PRESENT: a value. NULL: the latest row holds null. NOT_FOUND: no row for the entity, or a
    part of its key is null. OUTSIDE_MAX_AGE: the latest row is older than the view's ttl.
    """

    PRESENT = "PRESENT"
    NULL = "NULL"
    NOT_FOUND = "NOT_FOUND"
    OUTSIDE_MAX_AGE = "OUTSIDE_MAX_AGE"


@dataclass(frozen=True, kw_only=True)
class OnlineRow:
    """One entity's values of one view, and the lake partition (`2013-01-05`) they came from."""

    key: tuple[KeyValue, ...]
    event_timestamp: datetime
    created_timestamp: datetime
    partition: str
    values: dict[str, Value]


@dataclass(frozen=True, kw_only=True)
class ViewRequest:
    """Which features of which entity are wanted; `ttl` None or zero means any age."""

    view: str
    key: tuple[KeyValue, ...]
    features: tuple[str, ...]
    ttl: timedelta | None


@dataclass(frozen=True, kw_only=True)
class FeatureValues:
    """The answer to one ViewRequest, with the row's event time and partition if there is one.

    `values` is None wherever the status is not PRESENT.
    """

    view: str
    status_by_feature: dict[str, Status]
    values: dict[str, Value]
    event_timestamp: datetime | None
    partition: str | None


class OnlineStore(Protocol):
    """The contract. Every method raises OnlineStoreUnavailable when the backend is away."""

    def write(self, view: str, rows: Iterable[OnlineRow]) -> int:
        """Write rows that are not older than what is held; returns how many took effect.

        Order is (event_timestamp, created_timestamp); of equals the last written wins. A row
        with a null in its key is passed over: it could never be read.
        """
        ...

    def read(self, requests: Sequence[ViewRequest], at: datetime) -> list[FeatureValues]:
        """Answers in request order, in one round trip; ttl is measured back from `at`.

        A value is present when `at - ttl <= event_timestamp`. A row later than `at` is still
        the latest known and is returned.
        """
        ...

    def delete(self, view: str, keys: Iterable[tuple[KeyValue, ...]]) -> int:
        """Forget entities; returns how many were held."""
        ...

    def count(self, view: str) -> int:
        """How many entities the view holds."""
        ...

    def clear(self, view: str) -> None:
        """Forget every entity of the view."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


class StoredRow(msgspec.Struct, array_like=True):
    """What a backend holds for one key; times in microseconds since 1970 UTC."""

    event: int
    created: int
    partition: str
    values: dict[str, Value]


def online_store(url: str) -> OnlineStore:
    """The store at `sqlite:///PATH` or `redis://HOST:PORT/DB` (`rediss://` for TLS).

    Raises:
        ValueError: The URL has another scheme.
    """
    if url.startswith("sqlite:///"):
        from resources.online_sqlite import SqliteOnlineStore

        return SqliteOnlineStore(url.removeprefix("sqlite:///"))
    if url.startswith(("redis://", "rediss://")):
        from resources.online_redis import RedisOnlineStore

        return RedisOnlineStore(url)
    raise ValueError(f"online store URL {url!r}: use sqlite:///PATH or redis://HOST:PORT/DB")


def encode_key(key: Sequence[KeyValue]) -> bytes:
    """The one byte string of a key: a MessagePack array, which keeps types and boundaries."""
    return msgspec.msgpack.encode(tuple(key))


def stored(row: OnlineRow) -> StoredRow:
    """A row as backends hold it; ValueError for a time without zone."""
    return StoredRow(
        event=microseconds(row.event_timestamp),
        created=microseconds(row.created_timestamp),
        partition=row.partition,
        values={name: _without_nan(value) for name, value in row.values.items()},
    )


def is_readable(row: OnlineRow) -> bool:
    """Whether the row's key has no null part."""
    return None not in row.key


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 UTC, exact; ValueError for a time without zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone: pass a UTC-aware datetime")
    return (moment - _EPOCH) // _MICROSECOND


def answer(request: ViewRequest, row: StoredRow | None, at: datetime) -> FeatureValues:
    """The status and value of each requested feature, given the row that is held."""
    if row is None:
        return FeatureValues(
            view=request.view,
            status_by_feature=dict.fromkeys(request.features, Status.NOT_FOUND),
            values=dict.fromkeys(request.features),
            event_timestamp=None,
            partition=None,
        )
    expired = bool(request.ttl) and microseconds(at) - request.ttl // _MICROSECOND > row.event
    values = {name: None if expired else row.values.get(name) for name in request.features}
    statuses = {
        name: Status.OUTSIDE_MAX_AGE
        if expired
        else (Status.NULL if value is None else Status.PRESENT)
        for name, value in values.items()
    }
    return FeatureValues(
        view=request.view,
        status_by_feature=statuses,
        values=values,
        event_timestamp=_EPOCH + row.event * _MICROSECOND,
        partition=row.partition,
    )


def _without_nan(value: Value) -> Value:
    return None if isinstance(value, float) and math.isnan(value) else value
