"""Columns of pyarrow, pandas and Polars frames, read in one form: named, typed, times in UTC."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import polars as pl
import pyarrow as pa

if TYPE_CHECKING:
    import pandas as pd

EagerFrame: TypeAlias = "pa.Table | pd.DataFrame | pl.DataFrame"
Frame: TypeAlias = "pa.Table | pd.DataFrame | pl.DataFrame | pl.LazyFrame"


def arrow_table(frame: EagerFrame) -> pa.Table:
    """The frame as a pyarrow Table, without the index of a pandas frame.

    Raises:
        TypeError: The value is none of the three kinds of frame.
    """
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pl.DataFrame):
        return frame.to_arrow()
    import pandas as pd

    if isinstance(frame, pd.DataFrame):
        return pa.Table.from_pandas(frame, preserve_index=False)
    raise TypeError(
        f"got a {type(frame).__name__}: pass a pyarrow Table, a pandas or a Polars DataFrame"
    )


def select(frame: Frame, columns: Sequence[str], owner: str) -> pl.LazyFrame:
    """The named columns as a lazy Polars frame, aware times of arrow and pandas frames in UTC.

    Raises:
        LookupError: A column is missing; the message names `owner` and what it has.
        ValueError: A column is there twice.
    """
    wanted = list(dict.fromkeys(columns))
    names = _names(frame)
    for column in wanted:
        if column not in names:
            raise LookupError(
                f"{owner} has no column {column!r}; it has {', '.join(map(str, names)) or 'none'}"
            )
        if names.count(column) > 1:
            raise ValueError(f"{owner} has column {column!r} twice: rename one of them")
    if isinstance(frame, (pl.LazyFrame, pl.DataFrame)):
        return frame.lazy().select(wanted)
    table = frame.select(wanted) if isinstance(frame, pa.Table) else arrow_table(frame[wanted])
    return pl.DataFrame({name: _in_utc(table[name]) for name in wanted}).lazy()


def microseconds(column: str, dtype: pl.DataType, owner: str) -> pl.Expr:
    """The time as whole microseconds since 1970 in UTC; naive times are UTC, finer digits cut.

    Raises:
        TypeError: The column holds no timestamps. A date is refused, because it does not say
            at which moment of the day its row became usable.
    """
    if dtype == pl.Null:
        return pl.col(column).cast(pl.Int64)
    if not isinstance(dtype, pl.Datetime):
        raise TypeError(
            f"column {column!r} of {owner} is {dtype}, not a timestamp: cast it to the moment "
            "from which its row may be used"
        )
    return pl.col(column).cast(pl.Datetime("us", dtype.time_zone)).to_physical()


def key_in_common(
    column: str, asked: pl.DataType, key: str, held: pl.DataType, view: str
) -> tuple[pl.Expr, pl.Expr]:
    """The entity frame's column and the view's key, in the one type in which they compare.

    All integers up to signed 64 bits are one type, all texts are one, and a column of nothing but
    nulls is of any type. Every other type equals itself alone. NaN is null, as in pandas.

    Raises:
        TypeError: The two types do not compare.
    """
    left, right = _compared(asked), _compared(held)
    if left != right and pl.Null not in (left, right):
        raise TypeError(
            f"key {key!r} of {view} is {held}, but column {column!r} of the entity frame is "
            f"{asked}: cast one of them, exactly (pandas turns integers with nulls into floats)"
        )
    common = right if left == pl.Null else left
    pair = pl.col(column).cast(common), pl.col(key).cast(common)
    return (pair[0].fill_nan(None), pair[1].fill_nan(None)) if common.is_float() else pair


def _compared(dtype: pl.DataType) -> pl.DataType:
    # The upper half of UInt64 does not fit Int64, so the two stay apart.
    if dtype.is_integer() and dtype not in (pl.UInt64, pl.Int128, pl.UInt128):
        return pl.Int64()
    return pl.String() if dtype in (pl.Categorical, pl.Enum) else dtype


def _names(frame: Frame) -> list[str]:
    if isinstance(frame, (pl.DataFrame, pl.LazyFrame)):
        return frame.collect_schema().names()
    return frame.schema.names if isinstance(frame, pa.Table) else list(frame.columns)


def _in_utc(column: pa.ChunkedArray) -> pl.Series:
    # Polars knows no fixed offsets such as +05:30; the instant is the same in UTC.
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        column = column.cast(pa.timestamp(column.type.unit, "UTC"))
    return pl.Series(pl.from_arrow(column))
