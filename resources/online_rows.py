"""How the online store's backends hold a row: bytes in, answers out.

A held row is the MessagePack array [event, created, schema, partition, [value, ...]]. The times
are microseconds since 1970 UTC plus 2^63, so that MessagePack writes each as a marker and eight
big-endian bytes: ORDER cuts out both, and rows of a key are in the order of these bytes. `schema`
stands for the names of the values, which a backend keeps once instead of in each row.
"""

import hashlib
import itertools
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import msgspec

from resources.online_store import (
    FeatureValues,
    Key,
    KeyValue,
    OnlineRow,
    Replacement,
    Status,
    Value,
    ViewRequest,
)

Names = tuple[str, ...]
HeldRow = tuple[int, int, bytes, str, list[Any]]

ORDER = slice(1, 19)
_BIAS = 2**63
_TIMES = 10_000
# Answers kept by the bytes they were made of, 1 kB each: six times as fast as making one.
_KEPT = 16_384
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Stored as they are; every other type is looked at one by one.
_PLAIN = frozenset({bool, int, float, str, bytes, type(None)})

encode_row = msgspec.msgpack.Encoder().encode
decode_row = msgspec.msgpack.Decoder(HeldRow).decode
_Part = TypeVar("_Part")


# One write as a backend sees it: the key; the ORDER bytes of the row to be replaced, empty for a
# plain write; the new row, empty to forget the key.
Change = tuple[bytes, bytes, bytes]


class Packer:
    """Rows to bytes; `names` collects the names behind every schema that was used."""

    def __init__(self, view: str) -> None:
        self._view = view
        self._schemas: dict[Names, bytes] = {}
        self._times: dict[datetime, int] = {}
        self.names: dict[bytes, bytes] = {}

    def changes(self, rows: Iterable[OnlineRow | Replacement]) -> Iterator[Change]:
        """One change a row, in order; a key with a null is passed over."""
        for row in rows:
            if None in row.key:
                continue
            if isinstance(row, OnlineRow):
                yield encode_key(row.key), b"", self._pack(row)
            else:
                yield encode_key(row.key), _order(row), self._pack(row.row)

    def _pack(self, row: OnlineRow | None) -> bytes:
        if row is None:
            return b""
        names = tuple(row.values)
        schema = self._schemas.get(names) or self._schema(names)
        event, created = self._time(row.event_timestamp), self._time(row.created_timestamp)
        values = list(row.values.values())
        types = set(map(type, values))
        if not types <= _PLAIN:
            values = [self._checked(name, value) for name, value in row.values.items()]
        if float in types:
            values = [None if value != value else value for value in values]
        try:
            return encode_row((event, created, schema, row.partition, values))
        except OverflowError as error:
            raise ValueError(
                f"{self._view} {row.key}: {error}: an integer of {dict(row.values)} is outside"
                " -2^63 to 2^64 - 1; store it as a string"
            ) from error

    def _time(self, moment: datetime) -> int:
        # The rows of a view share a few times.
        biased = self._times.get(moment)
        if biased is None:
            if len(self._times) > _TIMES:
                self._times.clear()
            biased = self._times[moment] = microseconds(moment) + _BIAS
        return biased

    def _schema(self, names: Names) -> bytes:
        listed = msgspec.msgpack.encode(names)
        schema = hashlib.blake2b(listed, digest_size=8).digest()
        self._schemas[names] = schema
        self.names[schema] = listed
        return schema

    def _checked(self, name: str, value: object) -> Value:
        if type(value) in _PLAIN:
            return value  # type: ignore[return-value]
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value
        if isinstance(value, list) and {type(part) for part in value} <= _PLAIN:
            return value
        remedy = "a UTC-aware datetime" if isinstance(value, datetime) else "a plain Python value"
        raise ValueError(
            f"{self._view}: {name} is {value!r}, of type {type(value).__name__}: pass {remedy}"
        )


class _Plan(NamedTuple):
    """Where a request's features are among the values of a schema's rows.

    `positions` is None for all, in order, and holds -1 for a feature that is not there. `present`
    is the status of a row without nulls, shared by its answers.
    """

    positions: tuple[int, ...] | None
    present: Mapping[str, Status]


class Reader:
    """Bytes to answers; remembers the names behind the schemas it was told of."""

    def __init__(self) -> None:
        self._names: dict[bytes, Names] = {}
        self._plans: dict[tuple[bytes, Names], _Plan] = {}
        self._kept: dict[tuple[str, Names, bytes], FeatureValues] = {}

    def learn(self, schema: bytes, names: bytes) -> None:
        """Take note of the names behind a schema."""
        self._names[schema] = msgspec.msgpack.decode(names, type=Names)

    def answers(
        self, requests: Sequence[ViewRequest], rows: Sequence[bytes | None], at: datetime
    ) -> tuple[list[FeatureValues], list[tuple[str, bytes]]]:
        """Each requested feature of the rows held; views and schemas of yet unknown names."""
        now = microseconds(at)
        found: list[FeatureValues] = []
        unknown: set[tuple[str, bytes]] = set()
        for request, row in zip(requests, rows, strict=True):
            if row is None:
                found.append(_blank(request, Status.NOT_FOUND, None))
                continue
            kept = self._kept.get((request.view, request.features, row))
            answer = kept or self._answer(request, row, unknown)
            ttl = request.ttl
            if ttl and answer.event is not None and answer.event < now - ttl // _MICROSECOND:
                answer = _blank(request, Status.OUTSIDE_MAX_AGE, decode_row(row))
            found.append(answer)
        return found, sorted(unknown)

    def _answer(
        self, request: ViewRequest, row: bytes, unknown: set[tuple[str, bytes]]
    ) -> FeatureValues:
        event, created, schema, partition, values = decode_row(row)
        features = request.features
        plan = self._plans.get((schema, features)) or self._plan(schema, features)
        if plan is None:
            unknown.add((request.view, schema))
            return _blank(request, Status.NOT_FOUND, None)
        if plan.positions is not None:
            values = [None if at < 0 else values[at] for at in plan.positions]
        statuses = plan.present
        if None in values:
            statuses = dict(zip(features, map(_status, values), strict=True))
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        answer = self._kept[request.view, features, row] = FeatureValues(
            view=request.view,
            status_by_feature=statuses,
            # Lengths are equal by the plan; asking for the check doubles the time of the dict.
            values=dict(zip(features, values)),  # noqa: B905
            event=event - _BIAS,
            created=created - _BIAS,
            partition=partition,
        )
        return answer

    def _plan(self, schema: bytes, features: Names) -> _Plan | None:
        names = self._names.get(schema)
        if names is None:  # of a view that was cleared between two round trips
            return None
        at = {name: index for index, name in enumerate(names)}
        plan = self._plans[schema, features] = _Plan(
            None if names == features else tuple(at.get(name, -1) for name in features),
            dict.fromkeys(features, Status.PRESENT),
        )
        return plan


def encode_key(key: Sequence[KeyValue]) -> bytes:
    """The one byte string of a key: a MessagePack array, which keeps types and boundaries."""
    return encode_row(key)


def decode_key(key: bytes) -> Key:
    """The key of a byte string."""
    return tuple(msgspec.msgpack.decode(key))


def is_key(field: bytes) -> bool:
    """Whether a byte string can be an encoded key: an array's first byte is beyond ASCII."""
    return field[0] > 0x7F


def batched(parts: Iterable[_Part], size: int) -> Iterator[list[_Part]]:
    """The parts in lists of `size`, the last one shorter."""
    source = iter(parts)
    while batch := list(itertools.islice(source, size)):
        yield batch


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 UTC, exact; ValueError for a time without zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone: pass a UTC-aware datetime")
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _order(change: Replacement) -> bytes:
    event, created = microseconds(change.event_timestamp), microseconds(change.created_timestamp)
    return struct.pack(">BQBQ", 0xCF, event + _BIAS, 0xCF, created + _BIAS)


def _status(value: Value) -> Status:
    return Status.NULL if value is None else Status.PRESENT


def _blank(request: ViewRequest, status: Status, row: HeldRow | None) -> FeatureValues:
    return FeatureValues(
        view=request.view,
        status_by_feature=dict.fromkeys(request.features, status),
        values=dict.fromkeys(request.features),
        event=None if row is None else row[0] - _BIAS,
        created=None if row is None else row[1] - _BIAS,
        partition=None if row is None else row[3],
    )
