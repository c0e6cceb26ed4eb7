"""The columns that a dbt model describes in its `.yml`: types, and bounds from their tests."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlplat_assets.discovery import DeclarationError
from mlplat_assets.spec import DType, Field

_DTYPES: dict[str, DType] = {
    "double": "float",
    "real": "float32",
    "bigint": "int",
    "integer": "int",
    "boolean": "bool",
    "varchar": "string",
    "blob": "bytes",
    "timestamp": "timestamp",
    "date": "timestamp",
    "double[]": "list[float]",
    "bigint[]": "list[int]",
    "varchar[]": "list[string]",
}
# In every feature and label table, and no feature of it.
SYSTEM = ("event_timestamp", "created_timestamp", "partition_day")


def columns(file: Path, entry: Mapping[str, Any]) -> dict[str, Field]:
    """The described columns of a model by name, in order.

    `minimum` and `maximum` come from a `within` test, `max_null_rate` from `null_rate` and
    `allowed` from the `accepted_values` of a text.

    Raises:
        DeclarationError: A type is unknown, a test's bounds are wrong, or a column is missing that
            every table has.
    """
    found = {}
    for column in entry.get("columns", ()):
        name, data_type = column["name"], column.get("data_type", "")
        if data_type not in _DTYPES:
            raise DeclarationError(
                file,
                f"columns.{name}.data_type",
                f"{data_type!r} is not one of {', '.join(_DTYPES)}",
                "Correct it.",
            )
        found[name] = Field(
            name=name,
            dtype=_DTYPES[data_type],
            description=column.get("description", ""),
            **_bounds(file, name, _DTYPES[data_type], dict(_tests(column))),
        )
    for required in SYSTEM:
        if required not in found:
            raise DeclarationError(
                file, "columns", f"{required} is missing", "Every feature and label table has it."
            )
    return found


def _tests(column: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The column's tests by name, with their arguments."""
    for test in column.get("data_tests", ()):
        for name, given in ({test: None} if isinstance(test, str) else test).items():
            yield name, (given or {}).get("arguments", {})


def _bounds(
    file: Path, column: str, dtype: DType, tests: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    bounds: dict[str, Any] = {}
    where = f"columns.{column}.data_tests"
    if "within" in tests:
        low = _number(file, f"{where}.within", tests["within"], "minimum")
        high = _number(file, f"{where}.within", tests["within"], "maximum")
        if low > high:
            raise DeclarationError(
                file, f"{where}.within", f"minimum {low} is above maximum {high}", "Swap them."
            )
        bounds.update(minimum=low, maximum=high)
    if "null_rate" in tests:
        rate = _number(file, f"{where}.null_rate", tests["null_rate"], "maximum")
        if not 0 <= rate <= 1:
            raise DeclarationError(
                file, f"{where}.null_rate", f"maximum {rate} is no share", "Write 0 to 1."
            )
        bounds.update(max_null_rate=rate)
    if "accepted_values" in tests and dtype == "string":
        bounds.update(allowed=tuple(map(str, tests["accepted_values"].get("values", ()))))
    return bounds


def _number(file: Path, where: str, arguments: Mapping[str, Any], name: str) -> float:
    value = arguments.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DeclarationError(
            file, where, f"{name} {value!r} is no number", f"Write arguments: {{{name}: 0}}."
        )
    return value
