"""What the asset of drift says: its checks, its metadata, its pictures."""

from datetime import date
from typing import Any

import dagster as dg

from mlplat_assets.monitoring.drift.closer_look import CloserLook
from mlplat_assets.monitoring.drift.days import Reports
from mlplat_assets.monitoring.drift.plot import psi_plot
from mlplat_assets.monitoring.drift.verdict import DriftReport
from mlplat_assets.pictures import picture

# What the checks are called; alerts and the retrain governor ask for them by name.
WITHIN_TOLERANCE = "within_tolerance"
DATA_IS_SOUND = "data_is_sound"


def overview(model: str, reports: Reports) -> dict[str, Any]:
    """A line for each day, and the plot of the worst one."""
    lines = [
        f"| {day} | {version} | {report.rows} | {report.verdict} | {', '.join(report.drifted)} | "
        f"{_broken(report)} |"
        for (day, version), report in reports.items()
    ]
    head = "| day | version | rows | verdict | drifted | broken |"
    told: dict[str, Any] = {
        "days": dg.MetadataValue.md("\n".join([head, "|---" * 6 + "|", *lines])),
        "drifted_days": len(_drifted(reports)),
        "broken_days": sum(bool(report.broken) for report in reports.values()),
    }
    if reports:
        worst = worst_day(reports)
        plot = psi_plot(reports[worst], title=f"{model}, {worst[0]}")
        told["worst_day"] = picture(plot)
    return told


def worst_day(reports: Reports) -> tuple[date, int]:
    """The day and version with the most drifted columns, the earliest of equals."""
    return max(reports, key=lambda when: len(reports[when].drifted))


def looked_at(look: CloserLook) -> dict[str, Any]:
    """The closer look at a day; the page is a file, as it has megabytes."""
    told: dict[str, Any] = {
        "looked_at": f"{look.day}, version {look.version}",
        "evidently_page": dg.MetadataValue.path(look.page),
    }
    if look.separation:
        told["separation"] = (
            f"AUC {look.separation.auc} of a classifier that tells {look.separation.rows} rows "
            f"of the day from {look.separation.reference_rows} of training; 0.5 is chance"
        )
    return told


def tolerance(reports: Reports) -> dg.AssetCheckResult:
    """Fails for a drifted day; names the newest such version and the columns that drifted."""
    drifted = _drifted(reports)
    unclear = sum(report.verdict == "INCONCLUSIVE" for report in reports.values())
    days = ", ".join(str(day) for day, _ in drifted)
    told = f"drifted on {days}" if drifted else "no day drifted"
    columns = sorted({name for report in drifted.values() for name in report.drifted})
    newest = max((version for _, version in drifted), default=None)
    named = {"version": newest, "columns": columns}
    return dg.AssetCheckResult(
        check_name=WITHIN_TOLERANCE,
        passed=not drifted,
        description=f"{told}; {len(reports)} days compared, {unclear} of them too small to tell",
        metadata={"drifted": dg.MetadataValue.json(named)} if drifted else {},
    )


def soundness(reports: Reports) -> dg.AssetCheckResult:
    """Fails for a column whose data is at fault: that is to be put right, not learned from."""
    broken = {when: report for when, report in reports.items() if report.broken}
    told = "; ".join(f"{day}: {_broken(report)}" for (day, _), report in broken.items())
    return dg.AssetCheckResult(
        check_name=DATA_IS_SOUND,
        passed=not broken,
        description=f"put right what feeds them: {told}" if told else "no column is broken",
    )


def _drifted(reports: Reports) -> dict[tuple[date, int], DriftReport]:
    return {when: report for when, report in reports.items() if report.verdict == "DRIFT"}


def _broken(report: DriftReport) -> str:
    return ", ".join(
        f"{column.name} ({', '.join(one.fault for one in column.findings if one.breaks)})"
        for column in report.columns
        if column.broken
    )
