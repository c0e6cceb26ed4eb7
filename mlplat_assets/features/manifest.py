"""Where dbt's project and manifest are, and whether the manifest is out of date."""

from pathlib import Path

from resources.settings import REPOSITORY

DBT_PROJECT = REPOSITORY / "dbt_project"
MANIFEST = DBT_PROJECT / "target" / "manifest.json"


def manifest_is_stale(project: Path = DBT_PROJECT, manifest: Path = MANIFEST) -> bool:
    """Whether a file of the dbt project is newer than its manifest."""
    if not manifest.exists():
        return True
    built = manifest.stat().st_mtime
    sources = [*project.glob("*.yml"), *project.glob("models/**/*"), *project.glob("macros/*")]
    return any(path.is_file() and path.stat().st_mtime > built for path in sources)
