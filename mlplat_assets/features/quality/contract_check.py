"""The blocking check `meets_contract` of sources and Python views; dbt's tests are dbt views'."""

from collections.abc import Mapping, Sequence
from datetime import date

import dagster as dg
import polars as pl

from mlplat_assets.features.quality.contract import Violation, conform, require_same_columns
from resources.lake import Lake

NAME = "meets_contract"


def contract(asset_key: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check that keeps what lies downstream from reading rows that break the declaration."""
    return dg.AssetCheckSpec(
        NAME,
        asset=asset_key,
        blocking=True,
        description="Every row keeps what is declared: keys, grain, ranges, values, null rates.",
    )


def contract_result(found: Sequence[Violation]) -> dg.AssetCheckResult:
    """What the run's window says of the contract: each broken rule with a count and an example."""
    told = "; ".join(
        f"{v.column}: {v.rule}, broken by {v.count}, such as {v.example}" for v in found
    )
    records = [
        dg.TableRecord({"column": v.column, "rule": v.rule, "count": v.count, "example": v.example})
        for v in found
    ]
    return dg.AssetCheckResult(
        check_name=NAME,
        passed=not found,
        description=told or None,
        metadata={
            "broken_rules": len(found),
            **({"violations": dg.MetadataValue.table(records)} if records else {}),
        },
    )


def write_days(
    lake: Lake,
    table: str,
    rows: pl.DataFrame,
    columns: Mapping[str, str],
    window: tuple[date, date],
    *,
    producer: str,
) -> pl.DataFrame:
    """Replace a window of days by what a producer returned, as declared; returns what was written.

    Raises:
        SchemaBroken: The rows have other columns than declared; nothing is written.
        TableDiffers: The lake's table has; nothing is written.
    """
    conforming = conform(rows, columns, producer=producer)
    if lake.has(table):
        held = pl.DataFrame(lake.read(f"select * from {table} limit 0"))
        require_same_columns(table, held.schema, columns)
    lake.replace_days(table, conforming.to_arrow(), *window)
    return conforming
