"""What every test may rely on: the dbt manifest is there, and telemetry is off."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

# Read when the libraries are first used, so before any test; child processes inherit them.
os.environ.update(
    DO_NOT_TRACK="1",
    BENTOML_DO_NOT_TRACK="True",
    DAGSTER_DISABLE_TELEMETRY="yes",
    DBT_SEND_ANONYMOUS_USAGE_STATS="false",
    MLFLOW_DISABLE_TELEMETRY="true",
)


@pytest.fixture(scope="session", autouse=True)
def manifest() -> Path:
    """dbt's manifest, built again if a file of the project is newer. Once for all workers."""
    from mlplat_assets.features.manifest import DBT_PROJECT, MANIFEST, manifest_is_stale
    from resources.lake_attachment import install_extensions

    MANIFEST.parent.mkdir(exist_ok=True)
    with FileLock(MANIFEST.parent / "manifest.lock"):
        if manifest_is_stale():
            install_extensions()
            dbt = Path(sys.executable).parent / "dbt"
            where = ["--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)]
            subprocess.run([dbt, "--quiet", "parse", *where], check=True)
            # Nothing changed for dbt: it leaves the file as it was.
            MANIFEST.touch()
    return MANIFEST
