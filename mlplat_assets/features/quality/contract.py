"""The declared contract of a table's columns and rows, and what breaks it. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from mlplat_assets.spec import DType, Field

# In the lake an integer is 64 bits wide and a moment is UTC without a zone, in microseconds.
LAKE_TYPES: Mapping[str, pl.DataType] = {
    "float": pl.Float64(),
    "float32": pl.Float32(),
    "int": pl.Int64(),
    "bool": pl.Boolean(),
    "string": pl.String(),
    "bytes": pl.Binary(),
    "timestamp": pl.Datetime("us"),
    "date": pl.Date(),
    "list[float]": pl.List(pl.Float64()),
    "list[int]": pl.List(pl.Int64()),
    "list[string]": pl.List(pl.String()),
}


class SchemaBroken(ValueError):
    """A producer's columns are not the declared ones; nothing of it was written."""

    def __init__(self, producer: str, differences: Iterable[str]) -> None:
        """Compose the one-line message."""
        super().__init__(
            f"{producer}: {'; '.join(differences)}. Return exactly the declared columns, "
            "or declare what is returned"
        )


class TableDiffers(ValueError):
    """The lake's table has other columns than are declared now; nothing was written."""

    def __init__(self, table: str, differences: Iterable[str]) -> None:
        """Compose the one-line message."""
        super().__init__(
            f"{table} in the lake: {'; '.join(differences)}. Declare the change under a new name, "
            "or drop the table and materialise all its days again"
        )


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One rule that rows break: of which column, how many of them, and one example.

    `count` is of rows; of days for a null rate, which is a property of a day.
    """

    rule: str
    column: str
    count: int
    example: str


def conform(
    rows: pl.DataFrame, columns: Mapping[str, DType | str], *, producer: str
) -> pl.DataFrame:
    """The declared columns, in order, in the lake's types.

    Narrower integers are widened, zoned moments become UTC, a column without any value takes its
    declared type. `columns` maps names to types; `producer` names who returned the rows.

    Raises:
        SchemaBroken: A column was added, removed or retyped; the message names each, with the
            declared and the found type.
    """
    differences = list(_differences(rows.schema, columns))
    if differences:
        raise SchemaBroken(producer, differences)
    return rows.select(
        _as_in_lake(rows.schema[name], name, dtype) for name, dtype in columns.items()
    )


def require_same_columns(table: str, held: pl.Schema, columns: Mapping[str, DType | str]) -> None:
    """Refuse to write declared columns to a table that was made with others.

    Raises:
        TableDiffers: A column was added, removed or retyped since; the message names each.
    """
    differences = list(_differences(held, columns))
    if differences:
        raise TableDiffers(table, differences)


def violations(
    rows: pl.DataFrame,
    fields: Sequence[Field],
    *,
    keys: Sequence[str] = (),
    time: str | None = None,
) -> list[Violation]:
    """The rules that rows of a table break, by `Field` of the table and by its grain.

    With `time` the grain is one row per `keys` and `time`, none of them null. Rows carry
    `partition_day`, over which null rates are taken.
    """
    found = [violation for field in fields for violation in _of_field(rows, field)]
    if time is not None:
        found = [*_of_grain(rows, [*keys, time]), *found]
    return found


def _differences(found: pl.Schema, columns: Mapping[str, DType | str]) -> Iterator[str]:
    for name, dtype in columns.items():
        if name not in found:
            yield f"column {name!r} is declared {dtype}, found none"
        elif not _same(found[name], dtype):
            yield f"column {name!r} is declared {dtype}, found {found[name]}"
    for name in found:
        if name not in columns:
            yield f"column {name!r} is not declared, found {found[name]}"


def _same(found: pl.DataType, dtype: DType | str) -> bool:
    """Whether values of the found type are those of the declared one, none lost."""
    if found == pl.Null:  # a window without one value has no type yet
        return True
    if dtype.startswith("list["):
        inner = found.inner if isinstance(found, pl.List) else None
        return isinstance(inner, pl.DataType) and _same(inner, dtype[5:-1])
    match dtype:
        case "int":
            return found.is_integer() and found not in (pl.UInt64, pl.Int128, pl.UInt128)
        case "timestamp":
            return found == pl.Datetime
        case "string":
            return found in (pl.String, pl.Categorical, pl.Enum)
        case _:
            return found == LAKE_TYPES[dtype]


def _as_in_lake(found: pl.DataType, name: str, dtype: DType | str) -> pl.Expr:
    column = pl.col(name)
    if isinstance(found, pl.Datetime) and found.time_zone is not None:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return column.cast(LAKE_TYPES[dtype])


def _of_grain(rows: pl.DataFrame, grain: list[str]) -> Iterator[Violation]:
    for name in grain:
        yield from _counted("present in the key", name, rows.filter(pl.col(name).is_null()))
    # Polars takes nulls as equal here: rows without a key are told above, once.
    whole = rows.drop_nulls(grain)
    repeated = whole.filter(whole.select(grain).is_duplicated())
    extra = repeated.height - repeated.select(grain).n_unique()
    if extra:
        copy = repeated.select(grain).row(0, named=True)
        named = ", ".join(f"{key} {value}" for key, value in copy.items())
        yield Violation(rule="one row per key", column=", ".join(grain), count=extra, example=named)


def _of_field(rows: pl.DataFrame, field: Field) -> Iterator[Violation]:
    column = pl.col(field.name)
    for rule, broken in _rules(field, rows.schema[field.name]):
        yield from _counted(rule, field.name, rows.filter(broken(column)))
    if field.max_null_rate is None:
        return
    days = rows.group_by("partition_day").agg(
        nulls=column.is_null().sum(), rate=column.is_null().mean(), rows=pl.len()
    )
    over = days.filter(pl.col("rate") > field.max_null_rate).sort("partition_day")
    if over.height:
        day = over.row(0, named=True)
        yield Violation(
            rule=f"at most {100 * field.max_null_rate:.4g}% null a day",
            column=field.name,
            count=over.height,
            example=f"{day['partition_day']}: {day['nulls']} of {day['rows']} rows",
        )


def _rules(field: Field, found: pl.DataType) -> Iterator[tuple[str, Callable[[pl.Expr], pl.Expr]]]:
    """Each rule of a field's values and the rows that break it; a null value breaks none."""
    minimum, maximum, allowed = field.minimum, field.maximum, field.allowed
    if minimum is not None:
        yield f"at least {minimum:.15g}", lambda column: column < minimum
    if maximum is not None:
        # NaN is greater than any number to Polars, and no value of a range to us.
        number = pl.Expr.is_not_nan if found.is_float() else pl.Expr.is_not_null
        yield f"at most {maximum:.15g}", lambda column: (column > maximum) & number(column)
    if found.is_float() and (minimum is not None or maximum is not None):
        yield "a number", lambda column: column.is_nan()
    if allowed:
        yield f"one of {', '.join(allowed)}", lambda column: ~column.is_in(allowed)


def _counted(rule: str, column: str, broken: pl.DataFrame) -> Iterator[Violation]:
    if not broken.height:
        return
    first = broken.row(0, named=True)
    told = ", ".join(f"{name} {value}" for name, value in first.items() if name != column)
    example = f"{first[column]} in {told[:200]}"
    yield Violation(rule=rule, column=column, count=broken.height, example=example)
