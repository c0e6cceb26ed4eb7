"""The versions' rows. Every write is made by a caller who holds the writers' lock."""

from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from resources.registry.errors import UnknownVersion
from resources.registry.records import Stage, Version
from resources.registry.tables import evaluations
from resources.registry.tables import versions as table


def select(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[Version]:
    """The versions that meet the conditions, by model and number."""
    latest = sa.and_(
        evaluations.c.model == table.c.model,
        evaluations.c.number == table.c.number,
        evaluations.c.evidence_digest == table.c.evidence_digest,
    )
    query = (
        sa.select(table, evaluations.c.evidence)
        .join(evaluations, latest, isouter=True)
        .where(*conditions)
        .order_by(table.c.model, table.c.number)
    )
    return [_version(dict(row)) for row in connection.execute(query).mappings()]


def find(connection: sa.Connection, model: str, number: int) -> Version:
    """One version.

    Raises:
        UnknownVersion: Naming the versions there are.
    """
    found = select(connection, table.c.model == model, table.c.number == number)
    if not found:
        numbers = [version.number for version in select(connection, table.c.model == model)]
        raise UnknownVersion(
            f"{model} has no version {number}; it has {', '.join(map(str, numbers)) or 'none'}"
        )
    return found[0]


def champion(connection: sa.Connection, model: str) -> Version | None:
    """The model's production version."""
    found = select(connection, table.c.model == model, table.c.stage == Stage.PRODUCTION)
    return found[0] if found else None


def of_artifact(connection: sa.Connection, model: str, artifact_digest: str) -> Version | None:
    """The version that holds the artefact."""
    same = table.c.artifact_digest == artifact_digest
    found = select(connection, table.c.model == model, same)
    return found[0] if found else None


def next_number(connection: sa.Connection, model: str) -> int:
    """The number of the model's next version, from 1."""
    highest = sa.select(sa.func.max(table.c.number)).where(table.c.model == model)
    return (connection.scalar(highest) or 0) + 1


def insert(connection: sa.Connection, version: Version) -> None:
    """Add a version with its evidence."""
    row = {field.name: getattr(version, field.name) for field in fields(version)}
    del row["evidence"]
    connection.execute(sa.insert(table).values(row))
    _insert_evidence(connection, version)


def renew(connection: sa.Connection, version: Version) -> None:
    """Point the version at its new evidence and approvers; earlier evidence stays on record."""
    _insert_evidence(connection, version)
    _update(
        connection,
        version,
        evidence_digest=version.evidence_digest,
        approvers=list(version.approvers),
    )


def set_stage(connection: sa.Connection, version: Version, stage: Stage) -> None:
    """Put the version in a stage."""
    _update(connection, version, stage=stage)


def _insert_evidence(connection: sa.Connection, version: Version) -> None:
    names = ("model", "number", "evidence_digest", "evidence")
    row = {name: getattr(version, name) for name in names}
    key = [evaluations.c[name] == row[name] for name in names[:3]]
    if connection.scalar(sa.select(sa.func.count()).where(*key)) == 0:
        connection.execute(sa.insert(evaluations).values(row))


def _update(connection: sa.Connection, version: Version, **values: object) -> None:
    same = sa.and_(table.c.model == version.model, table.c.number == version.number)
    connection.execute(sa.update(table).where(same).values(values))


def _version(row: dict[str, Any]) -> Version:
    typed = {
        "stage": Stage(row["stage"]),
        "approvers": tuple(row["approvers"]),
        # A pointer to evidence that is not there counts as never evaluated.
        "evidence": row["evidence"] or {},
    }
    return Version(**row | typed)
