"""Features of the past, joined to an entity frame, with where each row's values came from."""

from collections.abc import Mapping, Sequence

import polars as pl
import pyarrow as pa

from bentos.model_server.artefact.on_demand import OnDemandFunction
from mlplat_assets.discovery import Declared
from mlplat_assets.features.frames import microseconds, select
from mlplat_assets.features.historical import (
    LakeSnapshot,
    Span,
    partition_digests,
    span_of,
    view_frame,
)
from mlplat_assets.features.on_demand import with_on_demand
from mlplat_assets.features.point_in_time import (
    ENTITY_FRAME,
    ViewFrame,
    point_in_time_join,
    refuse_collisions,
)
from mlplat_assets.features.request_values import request_columns
from mlplat_assets.features.selection import Selection
from mlplat_assets.keys import table
from mlplat_assets.references import OnDemandFeature
from mlplat_assets.spec import FeatureView

FACTS = ("event_timestamp", "partition", "data_version", "staleness")


def historical_features(
    at: LakeSnapshot,
    entities: pa.Table,
    event_timestamp: str,
    selection: Selection,
    functions: Sequence[OnDemandFunction],
    *,
    known_at: bool = False,
    full_feature_names: bool = False,
    provenance: bool = False,
) -> pa.Table:
    """The entity frame, the selected features in the order asked for, then the provenance.

    `functions` are those of the selection's on-demand views. Provenance is, per stored view in the
    order asked for, those that only on-demand views take last: `<view>__event_timestamp`, the UTC
    time of the row used; `<view>__partition`, its partition's day; `<view>__data_version`, the
    digest of that partition at this snapshot; `<view>__staleness`, the row's age at the moment
    asked about. All are null where no row was used.

    Raises:
        LookupError: A key or request column is missing, or the lake has no such table.
        TypeError: A key, time or request column has another type than declared.
        ValueError: Two output columns would have one name, or a request's value does not fit.
        OnDemandFailed: A function failed, or its answer to a row depends on other rows.
    """
    views = selection.views()
    columns = selection.columns(full=full_feature_names)
    traced = [view for view, _ in views] if provenance else []
    facts = [f"{view.name}__{fact}" for view in traced for fact in FACTS]
    _refuse_collisions(entities, selection, columns, traced)
    requests = [request_columns(entities, event_timestamp, function) for function in functions]
    span = span_of(entities, event_timestamp)
    joined = point_in_time_join(
        entities,
        [_frame(at, view, names, span, provenance=provenance) for view, names in views],
        event_timestamp=event_timestamp,
        known_at=known_at,
        provenance=provenance,
    )
    for function, request in zip(functions, requests, strict=True):
        joined = _computed(joined, request, function)
    for view in traced:
        joined = _traced(at, joined, view, event_timestamp)
    read = [one.reference for one in selection.features]
    found = joined.select([*entities.column_names, *read, *facts])
    renamed = found.rename_columns([*entities.column_names, *columns, *facts])
    # Renaming drops it, and pandas finds its own types there.
    return renamed.replace_schema_metadata(found.schema.metadata)


def _refuse_collisions(
    entities: pa.Table,
    selection: Selection,
    columns: Sequence[str],
    traced: Sequence[Declared[FeatureView]],
) -> None:
    named = [(name, ENTITY_FRAME) for name in entities.column_names]
    for column, one in zip(columns, selection.features, strict=True):
        kind = "on-demand view" if isinstance(one, OnDemandFeature) else "view"
        named.append((column, f"{kind} {one.view.full_name!r}"))
    for view in traced:
        named += [(f"{view.name}__{fact}", f"view {view.full_name!r}") for fact in FACTS]
    refuse_collisions(named)


def _frame(
    at: LakeSnapshot,
    view: Declared[FeatureView],
    names: Sequence[str],
    span: Span | None,
    *,
    provenance: bool,
) -> ViewFrame:
    """The view with its features named by their references, which meet no other column."""
    also = {f"{view.full_name}:{name}": name for name in names}
    if provenance:
        also[f"{view.name}__partition"] = "partition_day"
    return view_frame(at, view, (), span, also=also)


def _computed(
    joined: pa.Table, request: Mapping[str, pa.ChunkedArray], function: OnDemandFunction
) -> pa.Table:
    """The joined rows with every feature of the function, named by its reference."""
    stored = {one.column: joined[f"{one.view}:{one.feature}"] for one in function.entry.inputs}
    made = with_on_demand(pa.table({**request, **stored}), [function])
    for column, feature in function.gives.items():
        joined = joined.append_column(f"{function.entry.view}:{feature.name}", made[column])
    return joined


def _traced(
    at: LakeSnapshot, joined: pa.Table, view: Declared[FeatureView], event_timestamp: str
) -> pa.Table:
    """The joined rows with the data version and the staleness of the view's row."""
    days = pl.Series(joined[f"{view.name}__partition"])
    digests = partition_digests(
        at, table("features", view.team, view.name), days.drop_nulls().unique().to_list()
    )
    versions = days.replace_strict(
        list(digests), list(digests.values()), default=None, return_dtype=pl.String
    )
    asked = select(joined, [event_timestamp], ENTITY_FRAME)
    dtype = asked.collect_schema()[event_timestamp]
    moments = asked.select(microseconds(event_timestamp, dtype, ENTITY_FRAME)).collect()
    used = pl.Series(joined[f"{view.name}__event_timestamp"]).to_physical()
    age = (moments.to_series() - used).cast(pl.Duration("us"))
    joined = joined.append_column(f"{view.name}__data_version", versions.to_arrow())
    return joined.append_column(f"{view.name}__staleness", age.to_arrow())
