"""Rows of a feature view as the online store takes them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import polars as pl

from mlplat_assets.discovery import Declared
from mlplat_assets.keys import table
from mlplat_assets.spec import FeatureView
from resources.lake import Lake
from resources.online_store import OnlineRow


def view_columns(view: FeatureView) -> list[str]:
    """The columns of a row, in order: keys, times, day, features."""
    keys = [entity.name for entity in view.entities]
    features = [feature.name for feature in view.features]
    return [*keys, "event_timestamp", "created_timestamp", "partition_day", *features]


def view_rows(lake: Lake, view: Declared[FeatureView], first: date, last: date) -> pl.DataFrame:
    """The rows of a view's partitions `first` to `last`, with `effective`, when each counts."""
    found = lake.read(
        f"""select {", ".join(view_columns(view.spec))}
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
    features = [feature.name for feature in view.features]
    # Column by column: a dict per row of the frame would take twice as long.
    aware = rows.with_columns(pl.selectors.datetime().dt.replace_time_zone("UTC"))
    columns = zip(
        aware.select([entity.name for entity in view.entities]).iter_rows(),
        aware["event_timestamp"].to_list(),
        aware["created_timestamp"].to_list(),
        aware["partition_day"].dt.to_string("%Y-%m-%d").to_list(),
        aware.select(features).iter_rows(),
        strict=True,
    )
    for key, event, created, day, values in columns:
        yield OnlineRow(
            key=key,
            event_timestamp=event,
            created_timestamp=created,
            partition=day,
            values=dict(zip(features, values, strict=True)),
        )


def utc(moment: datetime) -> datetime:
    """A time as the lake holds it, UTC without a zone, as an aware one."""
    return moment.replace(tzinfo=UTC)
