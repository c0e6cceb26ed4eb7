"""Sources that are streamed: which views read each, and the form of their rows in a message.

A message is one row as JSON: every declared column by name and nothing else, timestamps in
RFC 3339 (naive ones are UTC), bytes in base64. The unit and the timestamp are never null.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any

import msgspec

from mlplat_assets.aggregates import WindowedAggregates
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.features.streaming.aggregates import SourceRow, SourceState, StreamedView
from mlplat_assets.spec import DType, FeatureView, Source

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
# A clock that runs ahead would move the watermark, and every other row would be late.
AHEAD = timedelta(minutes=5)
_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_TYPES: dict[DType, Any] = {
    "float": float,
    "float32": float,
    "int": _INT64,
    "bool": bool,
    "string": str,
    "bytes": bytes,
    "timestamp": datetime,
    "list[float]": list[float],
    "list[int]": list[_INT64],
    "list[string]": list[str],
}


class InvalidRows(ValueError):
    """Rows do not have the source's columns; the message names field, value and remedy."""


@dataclass(frozen=True)
class StreamedSource:
    """A source with every streamed view that reads it."""

    source: Declared[Source]
    views: tuple[Declared[FeatureView], ...]

    @property
    def name(self) -> str:
        """`team.source`, which is the stream's name too."""
        return self.source.full_name

    @property
    def timestamp(self) -> str:
        """The column that says when a row happened."""
        return aggregates_of(self.views[0]).timestamp

    @property
    def unit(self) -> str:
        """The column that names a row."""
        return aggregates_of(self.views[0]).unit

    @property
    def reach(self) -> timedelta:
        """How long after a row the views' rows can count it, and a repeat of its unit is one."""
        return max(a.longest + a.every for a in map(aggregates_of, self.views))

    def state(self) -> SourceState:
        """An empty state of all the views."""
        return SourceState(
            [
                StreamedView(
                    name=view.full_name,
                    entities=tuple(entity.name for entity in view.spec.entities),
                    aggregates=aggregates_of(view),
                )
                for view in self.views
            ]
        )

    def decode(self, body: bytes, now: datetime) -> list[SourceRow]:
        """A JSON list of rows.

        Raises:
            InvalidRows: It is no list of rows with the declared columns, or a row happened before
                1970 or more than five minutes after `now`.
        """
        try:
            found = self._decoder.decode(body)
        except UnicodeDecodeError as error:
            raise InvalidRows(f"the rows are no UTF-8: {error}: encode them so") from error
        except msgspec.DecodeError as error:
            raise InvalidRows(self._explained(error, body)) from error
        rows = [self._row(at, each) for at, each in enumerate(found)]
        limit = (now + AHEAD - EPOCH) // MICROSECOND
        for at, row in enumerate(rows):
            if not 0 <= row.ts <= limit:
                when = "before 1970" if row.ts < 0 else "in the future"
                raise InvalidRows(
                    f"row {at}: {self.timestamp} is {moment(row.ts).isoformat()}, {when}: "
                    "send UTC, and set the sender's clock"
                )
        return rows

    def encode(self, row: SourceRow) -> bytes:
        """One row as a message."""
        return msgspec.json.encode(row.columns)

    @cached_property
    def _decoder(self) -> Any:  # noqa: ANN401  the row's class is made from the declaration
        fields = [
            (
                column.name,
                _TYPES[column.dtype]
                if column.name in (self.unit, self.timestamp)
                else _TYPES[column.dtype] | None,
            )
            for column in self.source.spec.columns
        ]
        row = msgspec.defstruct("Row", fields, forbid_unknown_fields=True)
        return msgspec.json.Decoder(list[row])

    @cached_property
    def _converted(self) -> dict[str, Callable[[Any], Any]]:
        convert = {"timestamp": _in_utc, "float32": _float32}
        return {c.name: convert[c.dtype] for c in self.source.spec.columns if c.dtype in convert}

    def _row(self, at: int, decoded: msgspec.Struct) -> SourceRow:
        columns = msgspec.structs.asdict(decoded)
        for name, convert in self._converted.items():
            given = columns[name]
            try:
                columns[name] = None if given is None else convert(given)
            except OverflowError as error:
                raise InvalidRows(
                    f"row {at}: {name} is {given}, which does not fit its type: correct it"
                ) from error
        ts = (columns[self.timestamp] - EPOCH) // MICROSECOND
        return SourceRow(ts, columns[self.unit], columns)

    def _explained(self, error: msgspec.DecodeError, body: bytes) -> str:
        """What is wrong, with the value that is, which msgspec's message leaves out."""
        says, _, path = str(error).partition(" - at `")
        declared = ", ".join(f"{c.name} ({c.dtype})" for c in self.source.spec.columns)
        remedy = f"send a JSON list of rows with {declared}"
        if not isinstance(error, msgspec.ValidationError):
            return f"{says}: {remedy}"
        index, _, field = path.removesuffix("`").removeprefix("$[").partition("]")
        if not index.isdecimal():
            return f"{says}: {remedy}"
        try:
            value = msgspec.json.decode(body)[int(index)]
        except msgspec.DecodeError as broken:
            return f"row {index}: {says}; then: {broken}: {remedy}"
        field = field.removeprefix(".")
        if field and isinstance(value, dict):
            found = value.get(field.partition("[")[0])
            return f"row {index}: {field} is {found!r}: {says}: {remedy}"
        return f"row {index}: {says}: {remedy}"


def streamed_sources(catalogue: Catalogue, names: Iterable[str] = ()) -> list[StreamedSource]:
    """The sources of the named streamed views, each with all its streamed views; all by default.

    Raises:
        LookupError: A name is no streamed view.
        ValueError: Two views of one source name another timestamp or unit.
    """
    streamed = {
        name: view
        for name, view in catalogue.views.items()
        if view.spec.aggregates is not None and view.spec.aggregates.stream
    }
    wanted = list(names) or list(streamed)
    for name in wanted:
        if name not in streamed:
            known = ", ".join(streamed) or "none"
            raise LookupError(f"{name!r} is no streamed view (stream: true); there is {known}")
    found = []
    for source in dict.fromkeys(aggregates_of(streamed[name]).source for name in wanted):
        views = tuple(v for v in streamed.values() if aggregates_of(v).source == source)
        _require_one_unit(source, views)
        found.append(StreamedSource(catalogue.sources[source], views))
    return found


def aggregates_of(view: Declared[FeatureView]) -> WindowedAggregates:
    """What a streamed view declares."""
    assert view.spec.aggregates is not None  # only views with aggregates are streamed
    return view.spec.aggregates


def moment(ts: int) -> datetime:
    """The UTC-aware time of microseconds since 1970."""
    return EPOCH + ts * MICROSECOND


def _require_one_unit(source: str, views: Sequence[Declared[FeatureView]]) -> None:
    named = {(aggregates_of(view).timestamp, aggregates_of(view).unit) for view in views}
    if len(named) > 1:
        raise ValueError(
            f"{', '.join(view.full_name for view in views)} read {source} with different "
            f"timestamp or unit columns ({sorted(named)}): name the same ones in each"
        )


def _in_utc(given: datetime) -> datetime:
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)


def _float32(given: float) -> float:
    return struct.unpack("f", struct.pack("f", given))[0]
