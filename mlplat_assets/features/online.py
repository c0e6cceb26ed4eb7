"""Feature views into the online store: the latest row of each key, by partition."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import dagster as dg
import polars as pl

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import group, key, table
from mlplat_assets.partitions import SINGLE_RUN, daily, window
from mlplat_assets.spec import FeatureView
from resources.lake import Lake
from resources.online_store import OnlineRow, OnlineStore


def online_view(declared: Declared[FeatureView], catalogue: Catalogue) -> dg.AssetsDefinition:
    """The asset that writes one view's window of days to the online store.

    Writes are monotone in event time, so an older backfill never overwrites a newer value.
    """
    upstream = key("features", declared.team, declared.name)

    @dg.asset(
        key=key("online", declared.team, declared.name),
        description=f"Latest values by {', '.join(e.name for e in declared.spec.entities)}.",
        deps=[upstream],
        partitions_def=daily(catalogue.teams[declared.team]),
        backfill_policy=SINGLE_RUN,
        group_name=group("online", declared.team),
        owners=[catalogue.owner(declared)],
        kinds={"redis", "sqlite"},
    )
    def synced(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        online_store: dg.ResourceParam[OnlineStore],
    ) -> dg.MaterializeResult:
        rows = view_rows(lake, declared, *window(context))
        written = online_store.write(declared.full_name, latest_rows(rows, declared.spec))
        return dg.MaterializeResult(
            metadata={"rows_written": written, "keys": online_store.count(declared.full_name)}
        )

    return synced


def view_rows(lake: Lake, view: Declared[FeatureView], first: date, last: date) -> pl.DataFrame:
    """The rows of a view's partitions `first` to `last`, with `effective`, when each counts."""
    columns = [field.name for field in (*view.spec.entities, *view.spec.features)]
    found = lake.read(
        f"""select {", ".join(columns)}, event_timestamp, created_timestamp, partition_day
            from {table("features", view.team, view.name)}
            where partition_day between ? and ?""",
        [first, last],
    )
    effective = pl.col("event_timestamp") + view.spec.landing_delay
    return pl.DataFrame(found).with_columns(effective=effective).sort("effective")


def latest_rows(rows: pl.DataFrame, view: FeatureView) -> Iterator[OnlineRow]:
    """The newest row of each key, as the online store takes it."""
    keys = [entity.name for entity in view.entities]
    newest = rows.sort("event_timestamp", "created_timestamp", maintain_order=True).unique(
        subset=keys, keep="last", maintain_order=True
    )
    return online_rows(newest, view)


def online_rows(rows: pl.DataFrame, view: FeatureView) -> Iterator[OnlineRow]:
    """Every row, in order, as the online store takes it."""
    keys = [entity.name for entity in view.entities]
    features = [feature.name for feature in view.features]
    for row in rows.iter_rows(named=True):
        yield OnlineRow(
            key=tuple(row[name] for name in keys),
            event_timestamp=_utc(row["event_timestamp"]),
            created_timestamp=_utc(row["created_timestamp"]),
            partition=row["partition_day"].isoformat(),
            values={name: row[name] for name in features},
        )


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
