"""The asset `drift/<team>/<model>`: each served day against the profile of its version."""

import json
from datetime import date
from typing import Any

import dagster as dg

from mlplat_assets.automation import hourly
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import group, key, table
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.monitoring.drift.plot import psi_plot
from mlplat_assets.monitoring.drift.records import record
from mlplat_assets.monitoring.drift.served import (
    Days,
    recorded_profile,
    served_days,
    served_versions,
)
from mlplat_assets.monitoring.drift.verdict import DriftReport, compare
from mlplat_assets.partitions import SINGLE_RUN, daily, window
from mlplat_assets.pictures import picture
from resources.artifacts import ArtifactStore
from resources.lake import Lake

# What the checks are called; alerts and the retrain governor ask for them by name.
WITHIN_TOLERANCE = "within_tolerance"
DATA_IS_SOUND = "data_is_sound"


def drift(model: Declared[ModelSpec], catalogue: Catalogue) -> dg.AssetsDefinition:
    """How far each day's served inputs and predictions are from the training profile."""
    asset_key = key("drift", model.team, model.name)
    served = table("predictions", model.team, model.name)

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
        check_specs=[
            dg.AssetCheckSpec(
                WITHIN_TOLERANCE,
                asset=asset_key,
                description="No day of the window drifted from what the model was trained on.",
            ),
            dg.AssetCheckSpec(
                DATA_IS_SOUND,
                asset=asset_key,
                description="No column is missing, retyped, emptied or in another unit.",
            ),
        ],
    )
    def compared(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        artifacts: dg.ResourceParam[ArtifactStore],
    ) -> dg.MaterializeResult:
        days = window(context)
        reports = daily_reports(lake, artifacts, served, days)
        record(lake, table("drift", model.team, model.name), reports, days)
        return _result(model, reports)

    return compared


def daily_reports(
    lake: Lake, artifacts: ArtifactStore, served: str, days: Days
) -> dict[tuple[date, int], DriftReport]:
    """One report for each day and version that served on it, by day."""
    reports = {}
    for version, digest in served_versions(lake, served, days).items():
        card = json.loads((artifacts.get_folder(digest) / "card.json").read_text())
        profile = recorded_profile(card)
        for (day,), sketch in served_days(lake, served, version, profile, days).items():
            reports[day, version] = compare(sketch, profile, card["drift"])
    return dict(sorted(reports.items()))


def _result(
    model: Declared[ModelSpec], reports: dict[tuple[date, int], DriftReport]
) -> dg.MaterializeResult:
    drifted = [day for (day, _), report in reports.items() if report.verdict == "DRIFT"]
    metadata: dict[str, Any] = {
        "days": dg.MetadataValue.md(_days_table(reports)),
        "drifted_days": len(drifted),
        "broken_days": sum(bool(report.broken) for report in reports.values()),
    }
    if reports:
        (day, _), worst = max(reports.items(), key=lambda item: len(item[1].drifted))
        plot = psi_plot(worst, title=f"{model.full_name}, {day}")
        metadata["worst_day"] = picture(plot)
    return dg.MaterializeResult(
        metadata=metadata, check_results=[_tolerance(reports, drifted), _soundness(reports)]
    )


def _days_table(reports: dict[tuple[date, int], DriftReport]) -> str:
    lines = [
        f"| {day} | {version} | {report.rows} | {report.verdict} | {', '.join(report.drifted)} | "
        f"{_broken(report)} |"
        for (day, version), report in reports.items()
    ]
    head = "| day | version | rows | verdict | drifted | broken |"
    return "\n".join([head, "|---" * 6 + "|", *lines])


def _tolerance(
    reports: dict[tuple[date, int], DriftReport], drifted: list[date]
) -> dg.AssetCheckResult:
    unclear = sum(report.verdict == "INCONCLUSIVE" for report in reports.values())
    told = f"drifted on {', '.join(map(str, drifted))}" if drifted else "no day drifted"
    return dg.AssetCheckResult(
        check_name=WITHIN_TOLERANCE,
        passed=not drifted,
        description=f"{told}; {len(reports)} days compared, {unclear} of them too small to tell",
    )


def _soundness(reports: dict[tuple[date, int], DriftReport]) -> dg.AssetCheckResult:
    broken = {when: report for when, report in reports.items() if report.broken}
    told = "; ".join(f"{day}: {_broken(report)}" for (day, _), report in broken.items())
    return dg.AssetCheckResult(
        check_name=DATA_IS_SOUND,
        passed=not broken,
        description=f"put right what feeds them: {told}" if told else "no column is broken",
    )


def _broken(report: DriftReport) -> str:
    return ", ".join(
        f"{column.name} ({', '.join(one.fault for one in column.findings if one.breaks)})"
        for column in report.columns
        if column.broken
    )
