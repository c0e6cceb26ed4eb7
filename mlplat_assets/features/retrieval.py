"""Features of the past, joined to an entity frame, with where each row's values came from."""

import polars as pl
import pyarrow as pa

from mlplat_assets.discovery import Declared
from mlplat_assets.features.frames import microseconds, select
from mlplat_assets.features.historical import (
    LakeSnapshot,
    partition_digests,
    span_of,
    view_frame,
)
from mlplat_assets.features.point_in_time import point_in_time_join
from mlplat_assets.features.selection import Selection
from mlplat_assets.keys import table
from mlplat_assets.spec import FeatureView

FACTS = ("event_timestamp", "partition", "data_version", "staleness")


def historical_features(
    at: LakeSnapshot,
    entities: pa.Table,
    event_timestamp: str,
    selection: Selection,
    *,
    known_at: bool = False,
    full_feature_names: bool = False,
    provenance: bool = False,
) -> pa.Table:
    """The entity frame, the selected features in the order asked for, then the provenance.

    Provenance is, per view in the order asked for: `<view>__event_timestamp`, the UTC time of the
    row used; `<view>__partition`, its partition's day; `<view>__data_version`, the digest of that
    partition at this snapshot; `<view>__staleness`, the row's age at the moment asked about. All
    are null where no row was used.

    Raises:
        LookupError: A key column is missing, or the lake has no such table.
        TypeError: A key or time has another type than the view's.
        ValueError: Two output columns would have one name.
    """
    span = span_of(entities, event_timestamp)
    asked = selection.views()
    frames = []
    for view, names in asked:
        # The join prefixes full names itself.
        day = "partition" if full_feature_names else f"{view.name}__partition"
        also = {day: "partition_day"} if provenance else {}
        frames.append(view_frame(at, view, names, span, also=also))
    joined = point_in_time_join(
        entities,
        frames,
        event_timestamp=event_timestamp,
        known_at=known_at,
        full_feature_names=full_feature_names,
        provenance=provenance,
    )
    columns = [*entities.column_names, *selection.columns(full=full_feature_names)]
    for view, _ in asked if provenance else ():
        joined = _traced(at, joined, view, event_timestamp)
        columns += [f"{view.name}__{fact}" for fact in FACTS]
    return joined.select(columns)


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
    asked = select(joined, [event_timestamp], "the entity frame")
    dtype = asked.collect_schema()[event_timestamp]
    moments = asked.select(microseconds(event_timestamp, dtype, "the entity frame")).collect()
    used = pl.Series(joined[f"{view.name}__event_timestamp"]).to_physical()
    age = (moments.to_series() - used).cast(pl.Duration("us"))
    joined = joined.append_column(f"{view.name}__data_version", versions.to_arrow())
    return joined.append_column(f"{view.name}__staleness", age.to_arrow())
