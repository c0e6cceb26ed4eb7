"""Rows that a caller pushes into a view, checked against its declaration before any is written."""

from collections.abc import Callable, Mapping
from datetime import datetime

import polars as pl
import pyarrow as pa

from mlplat_assets.discovery import Declared
from mlplat_assets.features.arrow_types import ARROW_TYPES
from mlplat_assets.features.frames import EagerFrame, arrow_table
from mlplat_assets.spec import DType, FeatureView

_TIMES = ("event_timestamp", "created_timestamp")


def checked_rows(view: Declared[FeatureView], rows: EagerFrame, now: datetime) -> pl.DataFrame:
    """The rows with the view's columns and types, times in UTC, and their `partition_day`.

    A row without `created_timestamp` became known now. Of rows with equal keys and times the last
    one counts. Integers widen to 64 bits, texts and lists to one form; nothing is rounded.

    Raises:
        LookupError: A column is missing, or is none of the view's.
        TypeError: A column has another type than declared.
        ValueError: A key or time is null, or a value does not fit the declared type.
    """
    table = arrow_table(rows)
    types: dict[str, DType] = {f.name: f.dtype for f in (*view.spec.entities, *view.spec.features)}
    types |= dict.fromkeys(_TIMES, "timestamp")
    _check_names(view, table, types)
    columns = {
        name: typed(table[name], dtype, f"column {name!r} of the rows for {view.full_name}")
        for name, dtype in types.items()
        if name in table.column_names
    }
    for name in (*(entity.name for entity in view.spec.entities), *_TIMES):
        if name in columns and columns[name].null_count:
            raise ValueError(
                f"{columns[name].null_count} of {table.num_rows} rows for {view.full_name} have "
                f"no {name}, by which they would be found: leave them out"
            )
    frame = pl.DataFrame(columns)
    if "created_timestamp" not in frame.columns:
        moment = pl.lit(now, pl.Datetime("us", "UTC"))
        frame = frame.with_columns(created_timestamp=moment)
    frame = frame.with_columns(partition_day=pl.col("created_timestamp").dt.date())
    return frame.unique(grain(view), keep="last", maintain_order=True)


def typed(column: pa.ChunkedArray, dtype: DType, what: str) -> pa.ChunkedArray:
    """The column in the declared type's one form; errors begin with `what` it is.

    Raises:
        TypeError: Its type is another one.
        ValueError: A value does not fit the declared type.
    """
    wanted = ARROW_TYPES[dtype]
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_null(column.type) or column.type == wanted:
        return column.cast(wanted)
    if not _alike(column.type, wanted):
        raise TypeError(f"{what} is {column.type}, declared is {dtype}: cast it")
    try:
        found = column.cast(wanted)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{what} does not fit {dtype}: {error}") from error
    if pa.types.is_float32(found.type) and not _equal(found.cast(column.type), column):
        raise ValueError(
            f"{what} has {column.type} values that float32 would round: round them before"
        )
    return found


def grain(view: Declared[FeatureView]) -> list[str]:
    """The columns that identify a row of a view: its keys and its two times."""
    return [*(entity.name for entity in view.spec.entities), *_TIMES]


def lake_rows(frame: pl.DataFrame) -> pa.Table:
    """Checked rows as the lake keeps them: times in UTC without a zone."""
    return frame.with_columns(
        pl.col(name).dt.replace_time_zone(None)
        for name, dtype in frame.schema.items()
        if isinstance(dtype, pl.Datetime)
    ).to_arrow()


def _check_names(view: Declared[FeatureView], table: pa.Table, types: Mapping[str, DType]) -> None:
    for name in types:
        if name not in table.column_names and name != "created_timestamp":
            raise LookupError(
                f"the rows for {view.full_name} have no column {name!r} "
                f"({types[name]}): add it; null is a value"
            )
    for name in table.column_names:
        if name not in types:
            raise LookupError(
                f"column {name!r} is none of {view.full_name}'s: leave it out, or declare it; "
                f"its columns are {', '.join(types)}"
            )
        if table.column_names.count(name) > 1:
            raise LookupError(f"column {name!r} is there twice: rename one of them")


def _equal(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    return bool(pl.Series(one).eq_missing(pl.Series(other)).all())


def _alike(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether values of the one type can be values of the other without changing."""
    for of_kind in _KINDS:
        if of_kind(found) or of_kind(wanted):
            return of_kind(found) and of_kind(wanted)
    if _is_list(found) and _is_list(wanted):
        return pa.types.is_null(found.value_type) or _alike(found.value_type, wanted.value_type)
    return False


def _is_text(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_bytes(kind: pa.DataType) -> bool:
    return (
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    )


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind)


_KINDS: tuple[Callable[[pa.DataType], bool], ...] = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_timestamp,
    _is_text,
    _is_bytes,
)
