"""Sources into the lake: raw tables in daily partitions by time of knowledge."""

import dagster as dg

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.features.partition_report import column_schema, record
from mlplat_assets.features.quality.contract import violations
from mlplat_assets.features.quality.contract_check import contract, contract_result, write_days
from mlplat_assets.keys import group, key, table
from mlplat_assets.partitions import SINGLE_RUN, daily, window
from mlplat_assets.spec import Source
from resources.lake import Lake


def raw_table(declared: Declared[Source], catalogue: Catalogue) -> dg.AssetsDefinition:
    """The asset that copies one source's window of days into the lake."""
    source, asset_key = declared.spec, key("raw", declared.team, declared.name)
    table_name = table("raw", declared.team, declared.name)
    schema = {column.name: (column.dtype, column.description) for column in source.columns}

    @dg.asset(
        key=asset_key,
        description=source.description,
        partitions_def=daily(catalogue.teams[declared.team]),
        backfill_policy=SINGLE_RUN,
        group_name=group("raw", declared.team),
        owners=[catalogue.owner(declared)],
        kinds={"ducklake"},
        metadata={"dagster/column_schema": column_schema(schema)},
        check_specs=[contract(asset_key)],
    )
    def raw(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]
    ) -> dg.MaterializeResult:
        first, last = window(context)
        rows = write_days(
            lake,
            table_name,
            source.read(first, last),
            {name: dtype for name, (dtype, _) in schema.items()} | {"partition_day": "date"},
            (first, last),
            producer=f"{declared.file}: read()",
        )
        return dg.MaterializeResult(
            metadata=record(lake, table_name, (first, last), context.run.run_id),
            check_results=[contract_result(violations(rows, source.columns))],
        )

    return raw
