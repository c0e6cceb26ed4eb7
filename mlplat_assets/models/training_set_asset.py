"""The asset `training_sets/<team>/<model>`: built, checked for leaks, frozen by content."""

import dagster as dg
import msgspec

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.features.view_versions import view_digest
from mlplat_assets.keys import group, key
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.inputs import model_inputs
from mlplat_assets.models.lineage.accounts import accounted
from mlplat_assets.models.lineage.data_versions import keep
from mlplat_assets.models.lineage.recipe import recipe_of
from mlplat_assets.models.training_sets import LABEL, build, definitions, parquet_of
from resources.artifacts import ArtifactStore
from resources.digests import canonical_json
from resources.lake import Lake


def training_set(model: Declared[ModelSpec], catalogue: Catalogue) -> dg.AssetsDefinition:
    """Labels of one model joined with what was known at each decision time."""
    inputs = model_inputs(model, catalogue)
    label, asset_key = inputs.label_table, key("training_sets", model.team, model.name)
    views = [view for view, _ in inputs.views().values()]
    upstream = [key("labels", label.team, label.name)]
    upstream += [key("features", view.team, view.name) for view in views]

    @dg.asset(
        key=asset_key,
        description=f"Rows to learn from. {model.spec.label}, {len(inputs.features)} features.",
        deps=upstream,
        group_name=group("training_sets", model.team),
        owners=[catalogue.owner(model)],
        kinds={"polars", "parquet"},
        check_specs=[
            dg.AssetCheckSpec(
                "does_not_leak",
                asset=asset_key,
                blocking=True,
                description="No row uses a value that was not in effect at its decision time.",
            ),
            dg.AssetCheckSpec(
                "is_complete",
                asset=asset_key,
                blocking=True,
                description="There are rows, each unit once, none without a label.",
            ),
        ],
    )
    @accounted(model, "training_sets")
    def rows(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        artifacts: dg.ResourceParam[ArtifactStore],
    ) -> dg.MaterializeResult:
        made = build(model, inputs, lake)
        parquet = parquet_of(made.rows)
        frozen = artifacts.put_bytes(parquet)
        manifest = {
            "model": model.full_name,
            "training_set_digest": frozen,
            "rows": made.rows.num_rows,
            "as_of": made.as_of.isoformat(),
            "lake_snapshot": made.lake_snapshot,
            "partitions": [version.summary() for version in made.data],
            "partition_versions": keep(artifacts, made.data),
            "definitions_digest": artifacts.put_bytes(canonical_json(definitions(model, inputs))),
            "recipe_digest": artifacts.put_bytes(recipe_of(model, inputs).document()),
            "views": {view.full_name: view_digest(view) for view in views},
            "on_demand": msgspec.to_builtins(made.on_demand),
            "run_id": context.run.run_id,
        }
        for source in made.sources.values():
            artifacts.put_bytes(source)  # kept under the digest that its entry names
        units = made.rows["unit_id"]
        complete = made.rows.num_rows > 0 and made.rows[LABEL].null_count == 0
        repeated = made.rows.num_rows - len(units.unique())
        return dg.MaterializeResult(
            metadata={
                "training_set_digest": frozen,
                "manifest_digest": artifacts.put_bytes(canonical_json(manifest)),
                "dagster/row_count": made.rows.num_rows,
                "as_of": made.as_of.isoformat(),
                "lake_snapshot": made.lake_snapshot,
                "partitions": dg.MetadataValue.json(manifest["partitions"]),
                "bytes": len(parquet),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name="does_not_leak",
                    passed=made.leaks == 0,
                    metadata={"leaking_rows": made.leaks},
                ),
                dg.AssetCheckResult(
                    check_name="is_complete",
                    passed=complete and repeated == 0,
                    metadata={"rows": made.rows.num_rows, "repeated_units": repeated},
                ),
            ],
        )

    return rows
