"""A small model that departures of the stream can ask, registered and in production."""

import json
from pathlib import Path
from typing import Any

from resources.artifacts import artifact_store
from resources.digests import digest
from resources.registry.records import Version
from resources.registry.registry import registry
from resources.settings import Settings
from tests.bentos.artefacts import CARRIERS, card, write_artefact

MODEL = "flights.live_delay"
TABLE = "predictions.flights__live_delay"
VIEW = "flights.origin_live"
FEATURES = ("departures_1h", "departure_delay_mean_1h")
COLUMNS = tuple(f"origin_live__{name}" for name in FEATURES)
APPROVER = "dana@flights.example.com"


def document(**changes: Any) -> dict[str, Any]:
    """The card: carrier and origin of a departure, and how late its airport is."""
    entities = [one | {"allowed": []} for one in card()["entities"]]
    return card() | {
        "model": MODEL,
        "entities": entities,
        "context": [],
        "features": [
            {"column": column, "view": VIEW, "feature": name, "dtype": "float"}
            for column, name in zip(COLUMNS, FEATURES, strict=True)
        ],
        "views": [
            {"name": VIEW, "entities": ["origin"], "ttl_seconds": None, "features": list(FEATURES)}
        ],
        "entity_features": ["carrier", "origin"],
        "lineage": {},
    } | changes  # fmt: skip


def write_model(folder: Path, *, bias: float = -3.0, **changes: Any) -> Path:
    """The artefact: p = sigmoid(mean delay + bias + departures / 1000 + weight of the carrier)."""
    write_artefact(folder, bias=bias, document=document(**changes))
    named = {"numeric": list(COLUMNS), "categorical": {"carrier": CARRIERS, "origin": ["EWR"]}}
    (folder / "preprocessing.json").write_text(json.dumps(named))
    return folder


def crown(settings: Settings, folder: Path) -> Version:
    """Store, register and promote an artefact."""
    found = artifact_store(settings.artifacts_url, settings.home / "cache").put_folder(folder)
    opened = registry(settings.registry_url)
    opened.migrate()
    before = opened.champion(MODEL)
    evidence: dict[str, Any] = {
        "model": MODEL,
        "artifact_digest": found,
        "champion_version": before and before.number,
        "metrics": {"auc": 0.7},
        "champion_metrics": {"auc": 0.7} if before else None,
        "baseline_metrics": {"auc": 0.7},
        "gates": [
            {
                "metric": "auc",
                "floor": 0.6,
                "margin": 0.0,
                "value": 0.7,
                "champion": 0.7 if before else None,
                "passed": True,
                "reason": "0.7 is enough",
            }
        ],
        "passed": True,
        "reasons": [],
    }
    version = opened.register(
        MODEL,
        artifact_digest=found,
        evidence=evidence,
        evidence_digest=digest(evidence),
        lineage={"lake_snapshot": 1},
        approvers=(APPROVER,),
        author="ana@flights.example.com",
        run_id="run",
    )
    return opened.promote(
        MODEL, version.number, actor="carol", approver=APPROVER, reason="it is small"
    )
