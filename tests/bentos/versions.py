"""Versions of the tiny model in a real registry and artifact store."""

from pathlib import Path
from typing import Any

from resources.artifacts import artifact_store
from resources.digests import digest
from resources.registry.records import Version
from resources.registry.registry import Registry, registry
from tests.bentos.artefacts import MODEL, write_artefact


def open_registry(home: Path) -> Registry:
    """The registry at the embedded default below a home folder, with its tables."""
    opened = registry(f"sqlite:///{home / 'registry.sqlite'}")
    opened.migrate()
    return opened


def promote(
    home: Path, bias: float, document: dict[str, Any] | None = None, model: str = MODEL
) -> Version:
    """Store, register and promote an artefact with this bias."""
    versions = open_registry(home)
    folder = write_artefact(home / "built" / str(bias), bias=bias, document=document)
    artifact_digest = artifact_store(str(home / "artifacts")).put_folder(folder)
    champion = versions.champion(model)
    evidence: dict[str, Any] = {
        "model": model,
        "artifact_digest": artifact_digest,
        "champion_version": champion.number if champion else None,
        "gates": [{"metric": "auc", "passed": True}],
        "passed": True,
    }
    registered = versions.register(
        model,
        artifact_digest=artifact_digest,
        evidence=evidence,
        evidence_digest=digest(evidence),
        lineage={},
        approvers=("ada@example.org",),
        author="grace@example.org",
        run_id="run",
    )
    return versions.promote(
        model, registered.number, actor="cli", approver="ada@example.org", reason="better"
    )
