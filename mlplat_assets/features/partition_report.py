"""What a run that wrote daily partitions records: each day's digest, and totals for Dagster."""

from datetime import date

import dagster as dg

from resources.lake import Lake


def record(
    lake: Lake, table: str, window: tuple[date, date], run_id: str
) -> dict[str, dg.MetadataValue]:
    """Digest the window's partitions and return the run's totals.

    The digest of each day is kept in the lake (`lineage.partition_versions`), not in Dagster:
    metadata for 365 partitions of a dozen assets costs more than computing them.
    """
    versions = lake.record_partitions(table, *window, run_id=run_id)
    changed = [version for version in versions if version.changed]
    return {
        "dagster/table_name": dg.MetadataValue.text(table),
        "dagster/row_count": dg.MetadataValue.int(sum(version.rows for version in versions)),
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
