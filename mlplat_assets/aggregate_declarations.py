"""The windowed aggregates that a feature view's `.yml` declares, read and checked."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

from mlplat_assets.aggregates import Aggregate, AggregateFunction, WindowedAggregates
from mlplat_assets.discovery import DeclarationError, Declared
from mlplat_assets.durations import positive_duration
from mlplat_assets.spec import NUMERIC, FeatureView, Field, Source

_WHERE = "meta.feature_view.aggregates"
_FUNCTIONS = get_args(AggregateFunction)
_FIELDS = {"source", "timestamp", "unit", "every", "features", "stream", "lateness"}
_REQUIRED = ("source", "timestamp", "unit", "every", "features")
_RESULTS: Mapping[str, tuple[str, ...]] = {
    "count": ("bigint",),
    "mean": ("double",),
    "share": ("double",),
    "sum": ("bigint", "double"),
    "min": ("bigint", "double"),
    "max": ("bigint", "double"),
}


def windowed_aggregates(
    file: Path, team: str, declared: object, data_types: Mapping[str, str]
) -> WindowedAggregates:
    """The aggregates of a view from `meta.feature_view.aggregates`.

    `data_types` are those of the view's feature columns, by name.

    Raises:
        DeclarationError: A field is missing, unknown or wrong, a feature has no column, a column
            no aggregate, or its data type is not what its function gives.
    """
    given = _mapping(file, _WHERE, declared)
    _known(file, _WHERE, given, _FIELDS)
    for required in _REQUIRED:
        if not given.get(required):
            raise DeclarationError(file, f"{_WHERE}.{required}", "is missing", "Add it.")
    stream = given.get("stream", False)
    if not isinstance(stream, bool):
        raise DeclarationError(
            file, f"{_WHERE}.stream", f"{stream!r} is not true or false", "Correct it."
        )
    every = positive_duration(file, f"{_WHERE}.every", given["every"])
    features = {
        name: _aggregate(file, f"{_WHERE}.features.{name}", aggregate, every)
        for name, aggregate in _mapping(file, f"{_WHERE}.features", given["features"]).items()
    }
    _check_columns(file, features, data_types)
    return WindowedAggregates(
        source=f"{team}.{given['source']}",
        timestamp=str(given["timestamp"]),
        unit=str(given["unit"]),
        every=every,
        features=features,
        stream=stream,
        lateness=positive_duration(file, f"{_WHERE}.lateness", given.get("lateness", "1 hour")),
    )


def _aggregate(file: Path, where: str, declared: object, every: timedelta) -> Aggregate:
    given = _mapping(file, where, declared)
    _known(file, where, given, {"function", "column", "above", "window"})
    function, column, above = given.get("function", ""), given.get("column"), given.get("above")
    if function not in _FUNCTIONS:
        raise DeclarationError(
            file, f"{where}.function", f"{function!r} is unknown", f"Use {', '.join(_FUNCTIONS)}."
        )
    if (column is None) != (function == "count"):
        raise DeclarationError(
            file,
            f"{where}.column",
            f"is {'missing' if column is None else repr(column)} for {function}",
            "Name the column to aggregate." if column is None else "Remove it: rows are counted.",
        )
    is_number = isinstance(above, int | float) and not isinstance(above, bool)
    if not (is_number if function == "share" else above is None):
        raise DeclarationError(
            file,
            f"{where}.above",
            f"is {'missing' if above is None else repr(above)} for {function}",
            "Write a number: the share of values greater than it."
            if function == "share"
            else "Remove it: only a share has it.",
        )
    window = positive_duration(file, f"{where}.window", given.get("window"))
    if window % every:
        raise DeclarationError(
            file,
            f"{where}.window",
            f"{given['window']!r} is not a whole multiple of every",
            f"Write a multiple of {every}.",
        )
    return Aggregate(function=function, window=window, column=column, above=above)


def _check_columns(
    file: Path, features: Mapping[str, Aggregate], data_types: Mapping[str, str]
) -> None:
    for name in features:
        if name not in data_types:
            raise DeclarationError(
                file,
                f"{_WHERE}.features.{name}",
                "is not described under columns",
                "Describe it there with its data_type, or remove it.",
            )
    for name, data_type in data_types.items():
        if name not in features:
            raise DeclarationError(
                file,
                f"columns.{name}",
                "is no feature of aggregates",
                f"Declare it under {_WHERE}.features, or remove the column.",
            )
        function = features[name].function
        if data_type not in _RESULTS[function]:
            raise DeclarationError(
                file,
                f"columns.{name}.data_type",
                f"{data_type!r} is not what {function} gives",
                f"Write {' or '.join(_RESULTS[function])}.",
            )


def check_against_source(
    view: Declared[FeatureView], sources: Mapping[str, Declared[Source]]
) -> None:
    """Check that the source that a view aggregates exists and has what the view names.

    Raises:
        DeclarationError: The source or a column is unknown, or of a type that does not fit.
    """
    aggregates = view.spec.aggregates
    assert aggregates is not None  # the caller asks about views with aggregates only
    if aggregates.source not in sources:
        known = ", ".join(name for name in sources if name.startswith(f"{view.team}."))
        raise DeclarationError(
            view.file,
            f"{_WHERE}.source",
            f"{aggregates.source!r} is not declared",
            f"Name a source of the team (known: {known}).",
        )
    source = {column.name: column for column in sources[aggregates.source].spec.columns}
    _source_column(view, source, aggregates.unit, "unit", None)
    _source_column(view, source, aggregates.timestamp, "timestamp", ("timestamp",))
    for entity in view.spec.entities:
        _source_column(view, source, entity.name, "entities", (entity.dtype,))
    features = {feature.name: feature for feature in view.spec.features}
    for name, aggregate in aggregates.features.items():
        if aggregate.column is None:
            continue
        column = _source_column(view, source, aggregate.column, f"features.{name}.column", NUMERIC)
        expected = "int" if column.dtype == "int" else "float"
        if aggregate.function in ("sum", "min", "max") and features[name].dtype != expected:
            raise DeclarationError(
                view.file,
                f"columns.{name}.data_type",
                f"is not what {aggregate.function} of {aggregate.column} ({column.dtype}) gives",
                f"Write {'bigint' if expected == 'int' else 'double'}.",
            )


def _source_column(
    view: Declared[FeatureView],
    source: Mapping[str, Field],
    name: str,
    where: str,
    dtypes: tuple[str, ...] | None,
) -> Field:
    if name not in source:
        raise DeclarationError(
            view.file,
            f"{_WHERE}.{where}",
            f"the source has no column {name!r}",
            f"Use one of {', '.join(source)}.",
        )
    if dtypes is not None and source[name].dtype not in dtypes:
        raise DeclarationError(
            view.file,
            f"{_WHERE}.{where}",
            f"column {name!r} of the source is {source[name].dtype}, not {' or '.join(dtypes)}",
            "Name another column or correct its type.",
        )
    return source[name]


def _mapping(file: Path, where: str, given: object) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise DeclarationError(file, where, f"{given!r} is no mapping", "Write {name: value, ...}.")
    return given


def _known(file: Path, where: str, given: Mapping[str, Any], fields: set[str]) -> None:
    for name in given:
        if name not in fields:
            raise DeclarationError(
                file, where, f"unknown field {name!r}", "Remove it or correct its name."
            )
