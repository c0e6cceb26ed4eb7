"""What every contender of the serving bench serves: one MLP, one card, one set of requests.

An MLP 40-256-256-1 over 33 stored features of 7 views, 3 entity features and 4 fields of context,
the shape of the demo's arrival_delay. Ours gets it as an artefact in a registry of its own; peers
get the same weights as a graph over 40 numbers.
"""

import itertools
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.serving_graph import NUMERIC, graph
from bench.serving_shape import COLUMNS, CONTEXT, ENTITIES, VIEWS, vector
from resources.artifacts import artifact_store
from resources.digests import digest
from resources.online_store import OnlineRow, online_store
from resources.registry.records import Version
from resources.registry.registry import Registry, registry

MODEL = "bench.mlp"
APPROVER = "ada@example.org"


def card(behaviour: str) -> dict[str, Any]:
    """The card of the artefact; of a behaviour, see bench/faults/misbehaving.py."""
    return {
        "format": 1,
        "model": MODEL,
        "task": "regression",
        "entities": [
            {"name": name, "dtype": "string", "allowed": list(known)}
            for name, known in ENTITIES.items()
        ],
        "context": [
            {"name": name, "dtype": "float", "minimum": low, "maximum": high}
            for name, (low, high) in CONTEXT.items()
        ],
        "features": [
            {"column": column, "view": view, "feature": feature, "dtype": "float"}
            for column, (view, feature) in COLUMNS.items()
        ],
        "views": [
            {
                "name": view,
                "entities": list(entities),
                "features": [f"feature_{number}" for number in range(features)],
                "ttl_seconds": 30 * 86_400.0,
            }
            for view, (entities, features) in VIEWS.items()
        ],
        "entity_features": list(ENTITIES),
        "serving": {},
        "drift": {},
        "profile": {},
        "lineage": {},
        "training": {"behaviour": behaviour},
    }


def write_artefact(folder: Path, seed: int, behaviour: str = "") -> Path:
    """The artefact of one version; seeds give different weights."""
    folder.mkdir(parents=True, exist_ok=True)
    preprocessing = {"numeric": list(NUMERIC), "categorical": ENTITIES}
    (folder / "card.json").write_text(json.dumps(card(behaviour)))
    (folder / "preprocessing.json").write_text(json.dumps(preprocessing))
    (folder / "model.onnx").write_bytes(graph(seed, named=True))
    return folder


def requests(units: int) -> list[dict[str, Any]]:
    """Requests with full features, one of each unit."""
    choice = random.Random(20130105)
    return [
        {
            "unit_id": f"unit-{number}-2013-01-01",
            "entities": {name: choice.choice(known) for name, known in ENTITIES.items()},
            "context": {n: float(round(choice.uniform(*ends))) for n, ends in CONTEXT.items()},
            "features": {column: round(choice.gauss(0, 1), 4) for column in COLUMNS},
        }
        for number in range(units)
    ]


def write_bodies(folder: Path, units: int) -> dict[str, Path]:
    """Files of one request body a line, by what they hold; every body is of another unit."""
    full = requests(units)
    bodies = {
        "full": full,
        "entities": [{k: v for k, v in one.items() if k != "features"} for one in full],
        "batchable": [{"x": [vector(one)]} for one in full],
        "mlflow": [{"inputs": [vector(one)]} for one in full],
    }
    files = {name: folder / f"{name}.ndjson" for name in bodies}
    for name, path in files.items():
        path.write_text("".join(json.dumps(one) + "\n" for one in bodies[name]))
    return files


def fill_store(url: str) -> None:
    """A row of every view for every entity that a request can name."""
    store, now = online_store(url), datetime.now(UTC)
    choice = random.Random(20130105)
    for view, (entities, features) in VIEWS.items():
        keys = itertools.product(*(ENTITIES[name] for name in entities))
        rows = [
            OnlineRow(
                key=key,
                event_timestamp=now,
                created_timestamp=now,
                partition=f"{now:%Y-%m-%d}",
                values={f"feature_{n}": choice.gauss(0, 1) for n in range(features)},
            )
            for key in keys
        ]
        store.write(view, rows)
    store.close()


def opened_registry(url: str) -> Registry:
    """A registry with its tables."""
    opened = registry(url)
    opened.migrate()
    return opened


def registered(versions: Registry, home: Path, seed: int, behaviour: str = "") -> Version:
    """A version with its gates passed, its artefact stored below `home`."""
    folder = write_artefact(home / "built" / str(seed), seed, behaviour)
    artifact_digest = artifact_store(str(home / "artifacts")).put_folder(folder)
    champion = versions.champion(MODEL)
    evidence = {
        "model": MODEL,
        "artifact_digest": artifact_digest,
        "champion_version": champion.number if champion else None,
        "gates": [{"metric": "rmse", "passed": True}],
        "passed": True,
    }
    return versions.register(
        MODEL,
        artifact_digest=artifact_digest,
        evidence=evidence,
        evidence_digest=digest(evidence),
        lineage={},
        approvers=(APPROVER,),
        author="grace@example.org",
        run_id=f"seed {seed}",
    )


def promoted(versions: Registry, number: int) -> Version:
    """That version as the champion."""
    return versions.promote(MODEL, number, actor="cli", approver=APPROVER, reason="bench")


def make_home(home: Path) -> None:
    """A registry below `home`: a champion, a canary with 5% of the units, an A/B arm with 10%."""
    home.mkdir(parents=True)
    versions = opened_registry(f"sqlite:///{home / 'registry.sqlite'}")
    promoted(versions, registered(versions, home, 1).number)
    for seed, variant, percent in ((2, "canary", 5), (3, "wide", 10)):
        number = registered(versions, home, seed).number
        versions.set_share(MODEL, number, percent, variant=variant, reason="bench", actor="cli")
