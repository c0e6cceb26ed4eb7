"""Served days compared with the profiles of the versions that served them."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any, TypeAlias

from mlplat_assets.monitoring.drift.segments import SegmentDrift, segment_drift
from mlplat_assets.monitoring.drift.served import (
    Days,
    recorded_profile,
    served_days,
    served_versions,
)
from mlplat_assets.monitoring.drift.sketch import Sketch
from mlplat_assets.monitoring.drift.verdict import DriftReport, compare
from resources.artifacts import ArtifactStore
from resources.lake import Lake

Cards: TypeAlias = Mapping[int, Mapping[str, Any]]
# By day and version.
Reports: TypeAlias = Mapping[tuple[date, int], DriftReport]


def served_cards(lake: Lake, artifacts: ArtifactStore, served: str, days: Days) -> Cards:
    """The card of each version that predicted in the days, by version."""
    return {
        version: json.loads((artifacts.get_folder(digest) / "card.json").read_text())
        for version, digest in served_versions(lake, served, days).items()
    }


def daily_reports(lake: Lake, served: str, cards: Cards, days: Days) -> Reports:
    """One report for each day and version that served on it, by day."""
    reports = {}
    for version, card in cards.items():
        profile = recorded_profile(card)
        for (day,), sketch in served_days(lake, served, version, profile, days).items():
            reports[day, version] = compare(sketch, profile, card["drift"])
    return dict(sorted(reports.items()))


def daily_segments(
    lake: Lake, served: str, cards: Cards, days: Days
) -> dict[tuple[date, int], list[SegmentDrift]]:
    """What each day tells of the values of every segment column that a version profiled."""
    found: dict[tuple[date, int], list[SegmentDrift]] = {}
    for version, card in cards.items():
        profile = recorded_profile(card)
        for segment in profile.get("segments", {}):
            if segment not in profile["columns"]:
                continue  # redacted in the journal
            by_day: dict[date, dict[str | None, Sketch]] = {}
            sketches = served_days(lake, served, version, profile, days, segment)
            for (day, value), sketch in sketches.items():
                by_day.setdefault(day, {})[value] = sketch
            for day, values in by_day.items():
                told = segment_drift(segment, values, profile, card["drift"]["psi_floor"])
                found.setdefault((day, version), []).extend(told)
    return found
