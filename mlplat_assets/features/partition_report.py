"""What a run that wrote daily partitions tells Dagster: rows and content digest, day by day."""

from datetime import date

import dagster as dg

from resources.lake import Lake, PartitionVersion


def record(
    context: dg.AssetExecutionContext,
    lake: Lake,
    key: dg.AssetKey,
    table: str,
    window: tuple[date, date],
) -> dict[str, dg.MetadataValue]:
    """Digest the window's partitions, attach each to its event, and return the run's summary."""
    versions = lake.record_partitions(table, *window, run_id=context.run_id)
    for version in versions:
        context.add_asset_metadata(
            {"dagster/partition_row_count": version.rows, "digest": version.digest},
            asset_key=key,
            partition_key=version.day.isoformat(),
        )
    return summary(table, versions)


def summary(table: str, versions: list[PartitionVersion]) -> dict[str, dg.MetadataValue]:
    """Totals over the partitions of one run."""
    changed = [v for v in versions if v.changed]
    return {
        "dagster/table_name": dg.MetadataValue.text(table),
        "dagster/row_count": dg.MetadataValue.int(sum(v.rows for v in versions)),
        "partitions": dg.MetadataValue.int(len(versions)),
        "partitions_changed": dg.MetadataValue.int(len(changed)),
        "lake_snapshot": dg.MetadataValue.int(versions[-1].snapshot),
    }


def column_schema(columns: dict[str, tuple[str, str]]) -> dg.TableSchema:
    """A table schema for the UI from column name to (type, description)."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name=name, type=dtype, description=description)
            for name, (dtype, description) in columns.items()
        ]
    )
