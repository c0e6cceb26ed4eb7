"""Feature views computed in Python: lake tables in, the window's rows out."""

import dagster as dg
import polars as pl

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.features.partition_report import column_schema, record
from mlplat_assets.features.quality.contract import violations
from mlplat_assets.features.quality.contract_check import contract, contract_result, write_days
from mlplat_assets.features.view_versions import record_definition, view_digest
from mlplat_assets.keys import group, key, table
from mlplat_assets.partitions import SINGLE_RUN, daily, window
from mlplat_assets.spec import FeatureView
from resources.lake import Lake


def python_view(declared: Declared[FeatureView], catalogue: Catalogue) -> dg.AssetsDefinition:
    """The asset that computes one feature view's window of days."""
    view, asset_key = declared.spec, key("features", declared.team, declared.name)
    table_name = table("features", declared.team, declared.name)
    inputs = {reference: tuple(reference.split(".")) for reference in view.inputs}

    @dg.asset(
        key=asset_key,
        description=view.description,
        deps=[key(stage, team, name) for stage, team, name in inputs.values()],  # type: ignore[arg-type]
        partitions_def=daily(catalogue.teams[declared.team]),
        backfill_policy=SINGLE_RUN,
        group_name=group("features", declared.team),
        owners=[catalogue.owner(declared)],
        kinds={"python", "polars"},
        metadata={"dagster/column_schema": column_schema(view_columns(view))},
        check_specs=[contract(asset_key)],
        code_version=view_digest(declared),
    )
    def features(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]
    ) -> dg.MaterializeResult:
        assert view.compute is not None  # the catalogue refuses a Python view without it
        first, last = window(context)
        frames = {
            reference: pl.DataFrame(
                lake.read(f"select * from {table(stage, team, name)}")  # type: ignore[arg-type]
            ).lazy()
            for reference, (stage, team, name) in inputs.items()
        }
        rows = write_days(
            lake,
            table_name,
            view.compute(frames, first, last),
            {name: dtype for name, (dtype, _) in view_columns(view).items()},
            (first, last),
            producer=f"{declared.file}: compute()",
        )
        record_definition(lake, declared, context.run.run_id)
        broken = violations(
            rows,
            (*view.entities, *view.features),
            keys=[entity.name for entity in view.entities],
            time="event_timestamp",
        )
        return dg.MaterializeResult(
            metadata=record(lake, table_name, (first, last), context.run.run_id),
            check_results=[contract_result(broken)],
        )

    return features


def view_columns(view: FeatureView) -> dict[str, tuple[str, str]]:
    """The columns of a view's table, in order, with type and description."""
    named = {field.name: (field.dtype, field.description) for field in view.entities}
    named["event_timestamp"] = ("timestamp", "UTC")
    named["created_timestamp"] = ("timestamp", "UTC, when the row became known")
    named["partition_day"] = ("date", "UTC day of knowledge")
    return named | {field.name: (field.dtype, field.description) for field in view.features}
