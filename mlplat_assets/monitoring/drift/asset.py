"""The asset `drift/<team>/<model>`: each served day against the profile of its version."""

from pathlib import Path
from typing import Any

import dagster as dg

from mlplat_assets.automation import hourly
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import group, key, table
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.monitoring.drift.closer_look import closer_look
from mlplat_assets.monitoring.drift.days import (
    Cards,
    Reports,
    daily_reports,
    daily_segments,
    served_cards,
)
from mlplat_assets.monitoring.drift.records import record, record_segments
from mlplat_assets.monitoring.drift.told import (
    DATA_IS_SOUND,
    WITHIN_TOLERANCE,
    looked_at,
    overview,
    soundness,
    tolerance,
    worst_day,
)
from mlplat_assets.partitions import SINGLE_RUN, daily, window
from resources.artifacts import ArtifactMissing, ArtifactStore
from resources.lake import Lake
from resources.settings import Settings


class DriftRequest(dg.Config):
    """What to do beside comparing the days."""

    look: bool = False
    """Look closer at the worst day even if none drifted: a classifier, and Evidently's page."""


def drift(model: Declared[ModelSpec], catalogue: Catalogue) -> dg.AssetsDefinition:
    """How far each day's served inputs and predictions are from the training profile."""
    asset_key = key("drift", model.team, model.name)
    served = table("predictions", model.team, model.name)
    recorded = table("drift", model.team, model.name)

    @dg.asset(
        key=asset_key,
        description="Each served column against the training profile, day by day.",
        deps=[key("predictions", model.team, model.name)],
        partitions_def=daily(catalogue.teams[model.team]),
        backfill_policy=SINGLE_RUN,
        group_name=group("drift", model.team),
        owners=[catalogue.owner(model)],
        kinds={"duckdb"},
        automation_condition=hourly(catalogue.teams[model.team]),
        check_specs=_checks(asset_key),
    )
    def compared(
        context: dg.AssetExecutionContext,
        config: DriftRequest,
        lake: dg.ResourceParam[Lake],
        artifacts: dg.ResourceParam[ArtifactStore],
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult:
        days = window(context)
        cards = served_cards(lake, artifacts, served, days)
        reports = daily_reports(lake, served, cards, days)
        record(lake, recorded, reports, days)
        if model.spec.drift.segments:
            record_segments(lake, recorded, daily_segments(lake, served, cards, days), days)
        metadata = overview(model.full_name, reports)
        if reports and (config.look or any(one.verdict == "DRIFT" for one in reports.values())):
            folder = settings.home / "pages" / "drift" / model.full_name
            metadata |= _looked(lake, artifacts, served, cards, reports, folder)
        return dg.MaterializeResult(
            metadata=metadata, check_results=[tolerance(reports), soundness(reports)]
        )

    return compared


def _checks(asset_key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(
            WITHIN_TOLERANCE,
            asset=asset_key,
            description="No day of the window drifted from what the model was trained on.",
        ),
        dg.AssetCheckSpec(
            DATA_IS_SOUND,
            asset=asset_key,
            description="No column is missing, retyped, emptied, infinite or in another unit.",
        ),
    ]


def _looked(
    lake: Lake,
    artifacts: ArtifactStore,
    served: str,
    cards: Cards,
    reports: Reports,
    folder: Path,
) -> dict[str, Any]:
    """What the worst day looks like; it decides nothing, so it may be impossible."""
    worst = worst_day(reports)
    try:
        look = closer_look(lake, artifacts, cards[worst[1]], served, worst, folder)
    except ArtifactMissing as error:
        return {"closer_look": f"none: the training set is not kept any more ({error})"}
    return looked_at(look)
