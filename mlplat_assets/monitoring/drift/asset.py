"""The asset `drift/<team>/<model>`: each served day against the profile of its version."""

import json
from datetime import date
from typing import Any

import dagster as dg
import polars as pl
import pyarrow as pa

from mlplat_assets.automation import hourly
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import group, key, table
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.monitoring.drift.plot import psi_plot
from mlplat_assets.monitoring.drift.profile import Profile
from mlplat_assets.monitoring.drift.verdict import DriftReport, compare
from mlplat_assets.monitoring.predictions import served_inputs
from mlplat_assets.partitions import SINGLE_RUN, daily, window
from mlplat_assets.pictures import picture
from resources.artifacts import ArtifactStore
from resources.lake import Lake

SCHEMA = pa.schema(
    [
        ("partition_day", pa.date32()),
        ("version", pa.int64()),
        ("verdict", pa.string()),
        ("rows", pa.int64()),
        ("column", pa.string()),
        ("psi", pa.float64()),
        ("threshold", pa.float64()),
        ("drifted", pa.bool_()),
        ("null_share", pa.float64()),
    ]
)


def drift(model: Declared[ModelSpec], catalogue: Catalogue) -> dg.AssetsDefinition:
    """How far each day's served inputs and predictions are from the training profile."""
    asset_key = key("drift", model.team, model.name)
    served = table("predictions", model.team, model.name)

    @dg.asset(
        key=asset_key,
        description="PSI of each served column against the training profile, day by day.",
        deps=[key("predictions", model.team, model.name)],
        partitions_def=daily(catalogue.teams[model.team]),
        backfill_policy=SINGLE_RUN,
        group_name=group("drift", model.team),
        owners=[catalogue.owner(model)],
        kinds={"polars"},
        automation_condition=hourly(catalogue.teams[model.team]),
        check_specs=[
            dg.AssetCheckSpec(
                "within_tolerance",
                asset=asset_key,
                description="No day of the window drifted from what the model was trained on.",
            )
        ],
    )
    def compared(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        artifacts: dg.ResourceParam[ArtifactStore],
    ) -> dg.MaterializeResult:
        first, last = window(context)
        reports = daily_reports(lake, artifacts, served, first, last)
        rows = pa.Table.from_pylist(_rows(reports), schema=SCHEMA)
        lake.replace_days(table("drift", model.team, model.name), rows, first, last)
        return _result(model, reports)

    return compared


def daily_reports(
    lake: Lake, artifacts: ArtifactStore, served: str, first: date, last: date
) -> dict[tuple[date, int], DriftReport]:
    """One report for each day and version that served on it."""
    rows = pl.DataFrame(
        lake.read(f"select * from {served} where partition_day between ? and ?", [first, last])
    )
    reports = {}
    for (day, version), part in sorted(
        rows.partition_by("partition_day", "version", as_dict=True).items()
    ):
        card = json.loads(
            (artifacts.get_folder(part["artifact_digest"][0]) / "card.json").read_text()
        )
        profile = recorded_profile(card)
        inputs = served_inputs(part, list(profile["columns"]))
        reports[day, version] = compare(
            inputs, part["prediction"].to_numpy(), profile, card["drift"]
        )
    return reports


def recorded_profile(card: dict[str, Any]) -> Profile:
    """The profile without redacted columns, which would look like ones that went missing."""
    redacted = card.get("serving", {}).get("journal", {}).get("redact", ())
    profile: Profile = card["profile"]
    columns = {name: one for name, one in profile["columns"].items() if name not in redacted}
    return {**profile, "columns": columns}


def _rows(reports: dict[tuple[date, int], DriftReport]) -> list[dict[str, Any]]:
    return [
        {
            "partition_day": day,
            "version": version,
            "verdict": report.verdict,
            "rows": report.rows,
            "column": column.name,
            "psi": column.psi,
            "threshold": column.threshold,
            "drifted": column.drifted,
            "null_share": column.null_share,
        }
        for (day, version), report in reports.items()
        for column in report.columns
    ]


def _result(
    model: Declared[ModelSpec], reports: dict[tuple[date, int], DriftReport]
) -> dg.MaterializeResult:
    drifted = {when: report for when, report in reports.items() if report.verdict == "DRIFT"}
    lines = [
        f"| {day} | {version} | {report.rows} | {report.verdict} | {', '.join(report.drifted)} |"
        for (day, version), report in reports.items()
    ]
    table_text = "\n".join(
        ["| day | version | rows | verdict | drifted |", "|---" * 5 + "|", *lines]
    )
    metadata: dict[str, Any] = {
        "days": dg.MetadataValue.md(table_text),
        "drifted_days": len(drifted),
    }
    if reports:
        (day, _), worst = max(reports.items(), key=lambda item: len(item[1].drifted))
        plot = psi_plot(worst, title=f"{model.full_name}, {day}")
        metadata["worst_day"] = picture(plot)
    days = ", ".join(str(day) for day, _ in drifted)
    return dg.MaterializeResult(
        metadata=metadata,
        check_results=[
            dg.AssetCheckResult(
                check_name="within_tolerance",
                passed=not drifted,
                description=f"drifted on {days}" if drifted else "no day drifted",
                metadata=_newest(drifted),
            )
        ],
    )


def _newest(drifted: dict[tuple[date, int], DriftReport]) -> dict[str, Any]:
    """The version and columns of the newest drifted day, which the retraining governor reads."""
    if not drifted:
        return {}
    (day, version), report = max(drifted.items(), key=lambda item: item[0])
    found = {"day": day.isoformat(), "version": version, "columns": list(report.drifted)}
    return {"drifted": dg.MetadataValue.json(found)}
