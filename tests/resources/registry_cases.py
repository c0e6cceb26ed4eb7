"""Evidence and candidates for the registry's tests."""

from typing import Any

from resources.digests import digest
from resources.registry.records import Json, Version
from resources.registry.registry import Registry

MODEL = "flights.arrival_delay"


def artifact(name: object) -> str:
    """The digest of an artefact, by any name."""
    return digest({"artifact": str(name)})


def evidence_of(artifact_digest: str, champion: int | None, /, **changes: object) -> Json:
    """A passed evaluation against a champion, with changes."""
    gate = {"metric": "auc", "floor": 0.7, "margin": 0.0, "value": 0.76, "champion": None}
    return {
        "model": MODEL,
        "artifact_digest": artifact_digest,
        "champion_version": champion,
        "metrics": {"auc": 0.76, "log_loss": 0.41},
        "gates": [gate | {"passed": True, "reason": "0.76 >= 0.7"}],
        "passed": True,
        "reasons": [],
        "evaluated_at": "2013-06-01T12:00:00+00:00",
    } | changes


def register(
    store: Registry, name: object, champion: int | None = None, **changes: object
) -> Version:
    """Register a candidate by name; changes are of `register`'s terms, else of the evidence."""
    terms: Json = {
        "lineage": {"code_commit": "abc", "lake_snapshot": 7},
        "approvers": ("bob", "eve"),
        "author": "ana",
        "run_id": f"run-{name}",
        "tags": None,
    }
    names = (*terms, "evidence_digest", "approval")
    given = {key: changes.pop(key) for key in names if key in changes}
    evidence: Json = evidence_of(artifact(name), champion, **changes)
    terms |= given if "evidence_digest" in given else given | {"evidence_digest": digest(evidence)}
    return store.register(MODEL, artifact_digest=artifact(name), evidence=evidence, **terms)


def promote(store: Registry, number: int, **changes: Any) -> Version:
    """Promote with bob's approval."""
    terms: dict[str, Any] = {
        "actor": "dan",
        "approver": "bob",
        "reason": "better on June",
    } | changes
    return store.promote(MODEL, number, **terms)


def crown(store: Registry, *names: object) -> Version:
    """Register candidates one after another, each against the champion, and promote each."""
    for name in names:
        champion = store.champion(MODEL)
        version = register(store, name, champion.number if champion else None)
        promote(store, version.number)
    champion = store.champion(MODEL)
    assert champion is not None
    return champion
