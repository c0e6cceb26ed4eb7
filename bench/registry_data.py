"""Registries of given sizes for the bench: ours on both databases, and MLflow's."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from resources.digests import digest
from resources.registry import audit, transitions
from resources.registry.identity import Identity
from resources.registry.records import ApprovalTerms, Json, Stage, Version
from resources.registry.registry import Registry, registry

MODEL = "flights.arrival_delay"
APPROVER, AUTHOR = "dana@flights.example.com", "ana@flights.example.com"
BATCH = 1_000


def evidence_of(artifact_digest: str, champion: int | None) -> Json:
    """A passed evaluation of about the size of a real one: 3 KB."""
    names = ("auc", "average_precision", "accuracy", "log_loss", "brier", "ece")
    gate = {"floor": 0.62, "margin": 0.005, "value": 0.7312, "champion": 0.7145, "passed": True}
    part = {"rows": 9_000, "auc": 0.72, "ece": 0.03, "passed": True}
    slices = [part | {"slice": f"carrier={number:02d}"} for number in range(20)]
    return {
        "model": MODEL,
        "artifact_digest": artifact_digest,
        "champion_version": champion,
        "metrics": {name: 0.7312 for name in names},
        "champion_metrics": {name: 0.7145 for name in names},
        "gates": [gate | {"metric": name, "reason": f"{name} is at least 0.62"} for name in names],
        "slices": slices,
        "passed": True,
        "reasons": [],
    }


def lineage() -> Json:
    """Where a version comes from, of about the size of a real one: 2 KB."""
    parts = [
        {"table": f"features.flights__view_{n}", "first": "2013-01-01", "last": "2013-10-31",
         "days": 304, "digest": digest(n)}
        for n in range(10)
    ]  # fmt: skip
    return {"code_commit": "0d1e2f3a", "lake_snapshot": 41, "partitions": parts, "seed": 20130101}


def candidate(number: int, champion: int | None) -> Version:
    """A version that nothing registered yet."""
    artifact_digest = digest({"artifact": number, "of": uuid4().hex})
    evidence = evidence_of(artifact_digest, champion)
    return Version(
        model=MODEL,
        number=number,
        stage=Stage.STAGING,
        artifact_digest=artifact_digest,
        evidence=evidence,
        evidence_digest=digest(evidence),
        lineage=lineage(),
        approvers=(APPROVER,),
        approval=ApprovalTerms(),
        author=AUTHOR,
        run_id=uuid4().hex,
        tags={"team": "flights"},
        created_at=datetime.now(UTC),
    )


def register(store: Registry, version: Version) -> Version:
    """Register a candidate as a run does."""
    return store.register(
        MODEL,
        artifact_digest=version.artifact_digest,
        evidence=version.evidence,
        evidence_digest=version.evidence_digest,
        lineage=version.lineage,
        approvers=version.approvers,
        author=version.author,
        run_id=version.run_id,
        tags=version.tags,
    )


def promote(store: Registry, number: int) -> Version:
    """Approve and promote."""
    return store.promote(MODEL, number, actor=AUTHOR, approver=APPROVER, reason="better on June")


def filled(url: str, size: int) -> Registry:
    """A registry whose model has so many versions, the first of them in production."""
    store = registry(url)
    store.migrate()
    promote(store, register(store, candidate(1, None)).number)
    for first in range(2, size + 1, BATCH):
        made = [candidate(n, 1) for n in range(first, min(first + BATCH, size + 1))]
        with store.database.writing() as connection:
            at = audit.moment(connection, datetime.now(UTC))
            made = [replace(version, created_at=at) for version in made]
            transitions.add(connection, made, Identity(name=AUTHOR, role=None), at)
    if store.database.url.get_backend_name() == "postgresql":
        # As autovacuum does within a minute of the load.
        with store.database.writing() as connection:
            connection.execute(sa.text("analyze"))
    return store


@contextmanager
def postgres_schemas(server: sa.URL, count: int) -> Iterator[list[str]]:
    """URLs of empty schemas, dropped afterwards."""
    engine = sa.create_engine(server, poolclass=sa.NullPool)
    names = [f"mlplat_bench_{uuid4().hex}" for _ in range(count)]
    with engine.begin() as connection:
        for name in names:
            connection.execute(sa.schema.CreateSchema(name))
    try:
        yield [
            server.update_query_dict({"options": f"-csearch_path={name}"}).render_as_string(
                hide_password=False
            )
            for name in names
        ]
    finally:
        with engine.begin() as connection:
            for name in names:
                connection.execute(sa.schema.DropSchema(name, cascade=True))


def mlflow_store(folder: Path, size: int) -> Any:  # noqa: ANN401  MLflow's own
    """MLflow's registry on a SQLite file, in this process, with so many versions of one model."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(f"sqlite:///{folder / 'mlflow.sqlite'}")
    store.create_registered_model(MODEL)
    for number in range(1, size + 1):
        store.create_model_version(MODEL, source=f"{folder}/{number}", run_id=uuid4().hex)
    store.set_registered_model_alias(MODEL, "champion", "1")
    return store
