"""The lines of a prediction journal, decoded in C and turned into columns.

What the lake keeps as JSON text is never parsed here: a line's bytes are taken as they are.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa

# What the folder of a model's shadows is called: `<model>.shadows`, beside `<model>`.
SHADOWS = ".shadows"
# And that of requests that a version was given and did not answer.
FAILURES = ".failures"
_ABSENT = msgspec.Raw()
_NULL = b"null"


class Predicted(msgspec.Struct, kw_only=True, gc=False):
    """A prediction that a client was answered with, or that was made of an event of a stream.

    `prediction` is, of a multiclass model, the probability of the class that was answered.
    """

    prediction_id: str
    model: str
    version: int
    artifact_digest: str
    bento: str
    variant: str
    served_at: str
    event_timestamp: str
    unit_id: str | None
    entities: msgspec.Raw
    context: msgspec.Raw
    features: msgspec.Raw
    feature_status: msgspec.Raw
    feature_times: msgspec.Raw
    feature_partitions: msgspec.Raw
    prediction: float
    probabilities: msgspec.Raw = _ABSENT
    latency_ms: float
    bucket: int | None = None
    revision: int | None = None
    flags: msgspec.Raw = _ABSENT
    client: str | None = None
    trace_id: str | None = None
    stream: str | None = None


class Shadowed(msgspec.Struct, kw_only=True, gc=False):
    """What another version made of the inputs of a live prediction, or why it made nothing."""

    prediction_id: str
    model: str
    version: int
    artifact_digest: str
    prediction: float | None
    probabilities: msgspec.Raw = _ABSENT
    error: str | None
    served_at: str
    event_timestamp: str
    unit_id: str | None
    latency_ms: float


class Failed(msgspec.Struct, kw_only=True, gc=False):
    """A request that a version was given and did not answer, with the HTTP status in its place."""

    model: str
    version: int
    variant: str
    revision: int
    unit_id: str
    status: int
    error: str
    served_at: str
    event_timestamp: str


_ARROW: dict[Any, pa.DataType] = {
    str: pa.string(),
    str | None: pa.string(),
    int: pa.int64(),
    int | None: pa.int64(),
    float: pa.float64(),
    float | None: pa.float64(),
    msgspec.Raw: pa.string(),
}
_MOMENTS = ("served_at", "event_timestamp")


def schema_of(record: type[msgspec.Struct]) -> pa.Schema:
    """The columns of a kind of record in the lake; times are UTC, `partition_day` the event's."""
    fields = [
        (field.name, pa.timestamp("us") if field.name in _MOMENTS else _ARROW[field.type])
        for field in msgspec.structs.fields(record)
    ]
    return pa.schema([*fields, ("partition_day", pa.date32())])


def as_arrow(records: Sequence[msgspec.Struct], schema: pa.Schema) -> pa.Table:
    """The records as rows of their schema."""
    columns = [
        _column([getattr(record, field.name) for record in records], field)
        for field in schema
        if field.name != "partition_day"
    ]
    days = columns[schema.get_field_index("event_timestamp")].cast(pa.date32())
    return pa.table([*columns, days], schema=schema)


def _column(values: list[Any], field: pa.Field) -> pa.Array:
    if field.name in _MOMENTS:
        # Of one zone or another; the lake keeps UTC without one.
        zoned = pa.array(values, pa.string()).cast(pa.timestamp("us", "UTC"))
        return zoned.cast(field.type)
    if field.type == pa.string():
        return pa.array([_text(value) for value in values], pa.string())
    return pa.array(values, field.type)


def _text(value: Any) -> Any:  # noqa: ANN401  text, JSON as it stands in the line, or nothing
    if isinstance(value, msgspec.Raw):
        json = bytes(value)
        return None if json in (b"", _NULL) else json
    return value
