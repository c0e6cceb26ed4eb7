"""Versions of the tiny model in a real registry and artifact store."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bentos.model_server.routing.following import Follower
from bentos.model_server.routing.known import KnownTable
from bentos.model_server.routing.versions import Routing
from resources.artifacts import artifact_store
from resources.digests import digest
from resources.registry.records import Version
from resources.registry.registry import Registry, registry
from tests.bentos.artefacts import MODEL, fail_beyond, write_artefact

NOON = datetime(2013, 1, 5, 12, tzinfo=UTC)


def open_registry(home: Path) -> Registry:
    """The registry at the embedded default below a home folder, with its tables."""
    opened = registry(f"sqlite:///{home / 'registry.sqlite'}")
    opened.migrate()
    return opened


def follower(
    home: Path,
    fetch: Callable[[str], Path] | None = None,
    retry_seconds: float = 0.0,
    store: Registry | None = None,
) -> Follower:
    """A worker's follower over the stores below a home folder."""
    opened = store or open_registry(home)
    return Follower(
        routing=Routing(model=MODEL),
        read=lambda: opened.traffic(MODEL),
        fetch=fetch or artifact_store(str(home / "artifacts")).get_folder,
        known=KnownTable(home / "serving" / f"{MODEL}.json"),
        clock=lambda: NOON,
        retry_seconds=retry_seconds,
    )


def register(
    home: Path,
    bias: float,
    document: dict[str, Any] | None = None,
    store: Registry | None = None,
    model: str = MODEL,
    fails_beyond: float | None = None,
) -> Version:
    """Store and register an artefact with this bias, failing as `fail_beyond` says."""
    versions = store or open_registry(home)
    folder = write_artefact(home / "built" / str(bias), bias=bias, document=document)
    if fails_beyond is not None:
        fail_beyond(folder, fails_beyond)
    artifact_digest = artifact_store(str(home / "artifacts")).put_folder(folder)
    champion = versions.champion(model)
    evidence: dict[str, Any] = {
        "model": model,
        "artifact_digest": artifact_digest,
        "champion_version": champion.number if champion else None,
        "gates": [{"metric": "auc", "passed": True}],
        "passed": True,
    }
    return versions.register(
        model,
        artifact_digest=artifact_digest,
        evidence=evidence,
        evidence_digest=digest(evidence),
        lineage={},
        approvers=("ada@example.org",),
        author="grace@example.org",
        run_id="run",
    )


def promote(
    home: Path,
    bias: float,
    document: dict[str, Any] | None = None,
    store: Registry | None = None,
    model: str = MODEL,
) -> Version:
    """Store, register and promote an artefact with this bias."""
    versions = store or open_registry(home)
    registered = register(home, bias, document, versions, model)
    return versions.promote(
        model, registered.number, actor="cli", approver="ada@example.org", reason="better"
    )
