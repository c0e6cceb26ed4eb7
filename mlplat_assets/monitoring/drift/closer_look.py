"""What a person is given of a drifted day: how well it can be told from training, and a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from mlplat_assets.monitoring.drift.page import evidently_report
from mlplat_assets.monitoring.drift.sampled_rows import served_rows, training_rows
from mlplat_assets.monitoring.drift.separation import MOST_ROWS, Separation, separation
from mlplat_assets.monitoring.drift.served import recorded_profile
from resources.artifacts import ArtifactStore
from resources.lake import Lake


@dataclass(frozen=True, kw_only=True)
class CloserLook:
    """The day and version looked at, what a classifier says, and where Evidently's page is."""

    day: date
    version: int
    separation: Separation | None
    page: Path


def closer_look(
    lake: Lake,
    artifacts: ArtifactStore,
    card: Mapping[str, Any],
    served: str,
    of: tuple[date, int],
    folder: Path,
) -> CloserLook:
    """Draw Evidently's page into a folder, and ask a classifier; takes seconds.

    Raises:
        ArtifactMissing: The training set was collected as garbage.
    """
    day, version = of
    profile = recorded_profile(card)
    before = training_rows(lake, artifacts, card, profile, MOST_ROWS)
    now = served_rows(lake, served, version, profile, day, MOST_ROWS)
    page = folder / f"{day}-v{version}.html"
    folder.mkdir(parents=True, exist_ok=True)
    page.write_text(evidently_report(before, now))
    return CloserLook(day=day, version=version, separation=separation(before, now), page=page)
