"""What on-demand views take from a request: columns of an entity frame, values of entity rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl
import pyarrow as pa

from bentos.model_server.artefact.card import EVENT_TIMESTAMP, Column
from bentos.model_server.artefact.column_arrays import Scalar
from bentos.model_server.artefact.on_demand import OnDemandFunction
from mlplat_assets.discovery import Declared
from mlplat_assets.features.frames import microseconds, select
from mlplat_assets.features.point_in_time import ENTITY_FRAME
from mlplat_assets.features.pushed_rows import typed
from mlplat_assets.spec import DType, FeatureView
from resources.online_store import KeyValue

EntityRow = Mapping[str, KeyValue]
_INT64 = 2**63
_PYTHON: Mapping[str, type] = {
    "float": float, "float32": float, "int": int, "bool": bool, "string": str,
}  # fmt: skip


def request_columns(
    frame: pa.Table, moment: str, function: OnDemandFunction
) -> dict[str, pa.ChunkedArray]:
    """The request's fields by name, each of its declared type; `moment` is the decision time.

    Raises:
        LookupError: The entity frame lacks some; all of them are named.
        TypeError: A column has another type than declared.
        ValueError: A value does not fit the declared type.
    """
    _refuse_missing(function, frame.column_names, ENTITY_FRAME)
    return {
        field.name: _moments(frame, moment)
        if field.name == EVENT_TIMESTAMP
        else _column(frame[field.name], field, function.entry.view)
        for field in function.entry.request
    }


def request_rows(
    entity_rows: Sequence[EntityRow], at: datetime, function: OnDemandFunction
) -> list[dict[str, Scalar]]:
    """The request's fields by name, of each entity row; `at` is the decision time.

    Raises:
        LookupError: An entity row lacks some; all of them are named.
        TypeError: A value has another type than declared.
        ValueError: A number does not fit 64 bits, or a row brings a decision time of its own.
    """
    requests: list[dict[str, Scalar]] = []
    for position, row in enumerate(entity_rows):
        of_row, wants = f"entity row {position}", f"on-demand view {function.entry.view!r}"
        _refuse_missing(function, row, of_row)
        request: dict[str, Scalar] = {}
        for field in function.entry.request:
            if field.name != EVENT_TIMESTAMP:
                said = f"{wants} takes {field.dtype}"
                request[field.name] = value_of(of_row, row, field.name, field.dtype, said)
            elif field.name in row:
                raise ValueError(
                    f"{of_row} has {EVENT_TIMESTAMP!r}, which {wants} takes, but all rows are "
                    "asked about one moment: leave it out, and pass the moment as `at`"
                )
            else:
                request[field.name] = at
        requests.append(request)
    return requests


def refuse_without_frame(
    functions: Sequence[OnDemandFunction], views: Sequence[Declared[FeatureView]]
) -> None:
    """That the rows of stored views alone, which are keys and moments, bring what functions take.

    Raises:
        ValueError: A function takes something else from a request, or there is no stored view.
    """
    known = {EVENT_TIMESTAMP, *(entity.name for view in views for entity in view.spec.entities)}
    for function in functions:
        absent = [field.name for field in function.entry.request if field.name not in known]
        if absent:
            raise ValueError(
                f"without an entity frame nothing gives {', '.join(absent)}, which on-demand view "
                f"{function.entry.view!r} takes from a request: pass entity_df with them"
            )
    if not views:
        named = ", ".join(repr(function.entry.view) for function in functions)
        raise ValueError(
            f"without an entity frame the rows are those of stored views, and on-demand view "
            f"{named} takes none: pass entity_df"
        )


def value_of(of_row: str, row: EntityRow, name: str, dtype: DType, wants: str) -> KeyValue:
    """The value of an entity row as the declared type; `wants` says who asks for that.

    Raises:
        TypeError: It has another type; a whole number is a float where that is exact.
        ValueError: It does not fit 64 bits.
    """
    value, wanted = row[name], _PYTHON[dtype]
    if type(value) is int and wanted in (int, float) and not -_INT64 <= value < _INT64:
        raise ValueError(f"{of_row}: {name} is {value}, which does not fit 64 bits: correct it")
    if value is None or type(value) is wanted:
        return value
    if wanted is float and type(value) is int and int(float(value)) == value:
        return float(value)
    raise TypeError(
        f"{of_row}: {name} is {value!r}, a {type(value).__name__}, but {wants}: convert it"
    )


def _refuse_missing(
    function: OnDemandFunction, given: Sequence[str] | EntityRow, owner: str
) -> None:
    fields = [field for field in function.entry.request if field.name != EVENT_TIMESTAMP]
    absent = [f"{field.name!r} ({field.dtype})" for field in fields if field.name not in given]
    if absent:
        raise LookupError(
            f"{owner} lacks {', '.join(absent)}, which on-demand view {function.entry.view!r} "
            f"takes from a request: add them; null is a value; it has {', '.join(given) or 'none'}"
        )


def _column(column: pa.ChunkedArray, field: Column, view: str) -> pa.ChunkedArray:
    what = (
        f"column {field.name!r} of {ENTITY_FRAME}, which on-demand view {view!r} takes from a "
        "request,"
    )
    if field.dtype == "float" and pa.types.is_integer(column.type):
        try:
            column = column.cast(pa.float64())
        except pa.ArrowInvalid as error:
            raise ValueError(f"{what} does not fit float: {error}") from error
    return typed(column, field.dtype, what)


def _moments(frame: pa.Table, moment: str) -> pa.ChunkedArray:
    times = select(frame, [moment], ENTITY_FRAME)
    utc = microseconds(moment, times.collect_schema()[moment], ENTITY_FRAME)
    found = times.select(utc.cast(pl.Datetime("us", "UTC"))).collect().to_series()
    return pa.chunked_array([found.to_arrow()])
