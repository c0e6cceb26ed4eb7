"""The lineage of a version: what it was made from, by what, where, in which runs, at what cost.

Digests name stored documents: `partition_versions` the content of every partition that could be
read, `definitions_digest` the text of every declaration, `recipe_digest` the resolved declaration,
`environment_digest` the packages, `code_changes` the uncommitted difference.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlplat_assets.discovery import Declared
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.lineage.provenance import (
    code_version,
    environment_version,
    installed_packages,
    uncommitted_changes,
)
from resources.artifacts import ArtifactStore, files_of
from resources.digests import canonical_json
from resources.settings import REPOSITORY, Settings

_OF_THE_TRAINING_SET = (
    "training_set_digest",
    "rows",
    "lake_snapshot",
    "as_of",
    "partitions",
    "partition_versions",
    "definitions_digest",
    "recipe_digest",
    "views",
)


def training_lineage(
    model: Declared[ModelSpec],
    manifest: Mapping[str, Any],
    hyperparameters: Mapping[str, Any],
    artifacts: ArtifactStore,
    settings: Settings,
) -> dict[str, Any]:
    """What a candidate is trained from and by; `manifest` is that of its training set.

    `hyperparameters` are all that were in force, also those that a search found.
    """
    changes, packages = uncommitted_changes(REPOSITORY), installed_packages()
    for kept in (changes, canonical_json(packages)):
        if kept:
            artifacts.put_bytes(kept)
    return {
        **code_version(REPOSITORY, changes),
        **environment_version(packages, settings.image),
        **{name: manifest[name] for name in _OF_THE_TRAINING_SET},
        "on_demand": {entry["view"]: entry["digest"] for entry in manifest["on_demand"]},
        "trainer": model.spec.trainer,
        "hyperparameters": dict(hyperparameters),
        "seed": model.spec.seed,
    }


def version_lineage(
    trained: Mapping[str, Any], artefact: Path, run_ids: Mapping[str, str | None]
) -> dict[str, Any]:
    """The lineage of a candidate when it becomes a version: with its files' digests and its runs.

    Args:
        trained: The lineage in the artefact's card.
        artefact: The artefact's folder.
        run_ids: Further runs, by what they made.
    """
    files = {name: f"sha256:{content}" for name, content in files_of(artefact).items()}
    return {
        **trained,
        "files": files,
        "run_ids": {**trained.get("run_ids", {}), **run_ids},
    }
