"""Copies of the repository's declarations, for a test to change."""

import shutil
from pathlib import Path

from mlplat_assets.discovery import PACKAGE
from mlplat_assets.features.manifest import DBT_PROJECT


def copied_declarations(folder: Path) -> Path:
    """A copy of every declaration of this repository, in a new folder; returns the folder."""
    package = folder / "mlplat_assets"
    package.mkdir()
    shutil.copy(PACKAGE / "teams.toml", package)
    for stage in ("features", "models"):
        shutil.copytree(PACKAGE / stage / "catalog", package / stage / "catalog")
    shutil.copytree(DBT_PROJECT / "models", folder / "dbt_project" / "models")
    return folder
