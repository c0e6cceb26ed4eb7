"""On-demand features of many rows at once, by the function that serves them one by one."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import polars as pl
import pyarrow as pa

from bentos.model_server.artefact.card import OnDemandEntry
from bentos.model_server.artefact.on_demand import OnDemandFailed, OnDemandFunction, function_of
from mlplat_assets.features.arrow_types import ARROW_TYPES
from mlplat_assets.references import AnyFeature, OnDemandFeature
from resources.digests import digest_of_bytes

# Rows that are computed alone as well: enough to meet each branch of a function that has a few.
_ALONE = 200


def read_functions(
    features: Iterable[AnyFeature],
) -> tuple[list[OnDemandFunction], dict[str, bytes]]:
    """The functions behind the on-demand features among these, and each view's source by name.

    What runs is the source as it is read here, so that what is kept of it is what ran.

    Raises:
        OnDemandFailed: A source does not run.
    """
    by_view: dict[str, list[OnDemandFeature]] = {}
    for feature in features:
        if isinstance(feature, OnDemandFeature):
            by_view.setdefault(feature.view.full_name, []).append(feature)
    sources = {name: wanted[0].view.file.read_bytes() for name, wanted in by_view.items()}
    functions = [
        function_of(_entry(wanted, sources[name]), sources[name])
        for name, wanted in by_view.items()
    ]
    return functions, sources


def with_on_demand(rows: pa.Table, functions: Sequence[OnDemandFunction]) -> pa.Table:
    """The rows with every feature of the functions, in columns `<view>__<feature>`.

    `rows` holds the request's fields by name and the stored inputs as `<view>__<feature>`. Columns
    that are there already are computed anew.

    Raises:
        OnDemandFailed: A function failed, or its answer to a row depends on other rows.
    """
    for function in functions:
        columns = _columns(rows, function)
        made = function(columns) if rows.num_rows else {name: [] for name in function.gives}
        _check_alone(function, columns, made)
        for name, values in made.items():
            if name in rows.column_names:
                rows = rows.drop_columns([name])
            rows = rows.append_column(
                name, pa.array(values, ARROW_TYPES[function.gives[name].dtype])
            )
    return rows


def _columns(rows: pa.Table, function: OnDemandFunction) -> dict[str, list]:
    # Polars makes the Python values in a tenth of Arrow's time.
    frame = pl.DataFrame(rows.select([n for n in function.takes if n in rows.column_names]))
    return {series.name: series.to_list() for series in frame}


def _check_alone(
    function: OnDemandFunction, columns: Mapping[str, Sequence], made: Mapping[str, Sequence]
) -> None:
    """A service asks for one row at a time: that must give what the whole column gave."""
    function.try_missing()
    rows = len(next(iter(made.values())))
    for row in range(0, rows, max(1, rows // _ALONE)):
        alone = function({name: [values[row]] for name, values in columns.items()})
        for name, values in made.items():
            if alone[name][0] != values[row]:
                raise OnDemandFailed(
                    f"on-demand view {function.entry.view}: feature "
                    f"{function.gives[name].name!r} of row {row} is {values[row]!r} among {rows} "
                    f"rows, but {alone[name][0]!r} alone, as in a service; compute each row from "
                    "its own values: no mean over the column, no random number, no clock"
                )


def _entry(wanted: Sequence[OnDemandFeature], source: bytes) -> OnDemandEntry:
    view, inputs = wanted[0].view, wanted[0].inputs
    entry = {
        "view": view.full_name,
        "source": f"on_demand/{view.team}__{view.name}.py",
        "digest": digest_of_bytes(source),
        "request": [{"name": f.name, "dtype": f.dtype} for f in view.spec.request],
        "inputs": [
            {
                "column": stored.column,
                "view": stored.view.full_name,
                "feature": stored.feature.name,
                "dtype": stored.feature.dtype,
            }
            for stored in inputs
        ],
        "features": [{"name": f.name, "dtype": f.dtype} for f in view.spec.features],
        "columns": [feature.column for feature in wanted],
    }
    return msgspec.convert(entry, OnDemandEntry)
