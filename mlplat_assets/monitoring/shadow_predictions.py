"""The asset `shadow_predictions/<team>/<model>`: what versions would have answered instead."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import polars as pl

from mlplat_assets.automation import hourly
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import group, key, table
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.monitoring.journal_intake import Intake
from mlplat_assets.monitoring.journal_records import SHADOWS, Shadowed
from mlplat_assets.monitoring.pairs import PairedVersion, paired_versions, pairs_of
from mlplat_assets.monitoring.pairs_plot import pairs_plot
from mlplat_assets.partitions import SINGLE_RUN, daily, window
from mlplat_assets.pictures import picture
from resources.lake import Lake
from resources.settings import Settings

_HEADINGS = (
    "version", "pairs", "errors", "unpaired", "mean difference", "decide differently",
    "rank correlation", "live ms", "shadow ms",
)  # fmt: skip


def shadow_predictions(model: Declared[ModelSpec], catalogue: Catalogue) -> dg.AssetsDefinition:
    """What a model's shadows predicted, by the UTC day of the decision."""
    table_name = table("shadow_predictions", model.team, model.name)
    live = table("predictions", model.team, model.name)

    @dg.asset(
        key=key("shadow_predictions", model.team, model.name),
        description="What shadows made of live requests, and how it compares with the answers.",
        deps=[key("predictions", model.team, model.name)],
        partitions_def=daily(catalogue.teams[model.team]),
        backfill_policy=SINGLE_RUN,
        group_name=group("shadow_predictions", model.team),
        owners=[catalogue.owner(model)],
        kinds={"ducklake"},
        automation_condition=hourly(catalogue.teams[model.team]),
    )
    def taken_in(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult:
        folder = settings.journal / f"{model.full_name}{SHADOWS}"
        new = Intake(folder=folder, record=Shadowed, table=table_name).run(lake)
        metadata: dict[str, Any] = {"taken_in": new}
        if lake.has(live):
            metadata |= _comparison(model, pairs_of(lake, table_name, live, *window(context)))
        return dg.MaterializeResult(metadata=metadata)

    return taken_in


def _comparison(model: Declared[ModelSpec], rows: pl.DataFrame) -> dict[str, Any]:
    versions = paired_versions(rows, model.spec.task)
    found: dict[str, Any] = {
        "dagster/row_count": rows.height,
        "compared": dg.MetadataValue.md(_table(versions)),
    }
    if any(version.pairs for version in versions):
        found["pairs"] = picture(pairs_plot(rows, title=f"{model.full_name}, live and shadow"))
    return found


def _table(versions: Sequence[PairedVersion]) -> str:
    lines = [f"| {' | '.join(_HEADINGS)} |", "|---" * len(_HEADINGS) + "|"]
    for one in versions:
        cells = (
            one.version, one.pairs, one.errors, one.unpaired, one.mean_difference,
            one.decided_differently, one.rank_correlation, one.live_ms, one.shadow_ms,
        )  # fmt: skip
        lines.append(f"| {' | '.join(_shown(cell) for cell in cells)} |")
    return "\n".join(lines)


def _shown(cell: float | None) -> str:
    if cell is None:
        return ""
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
