"""The versions' rows. Every write is made by a caller who holds the writers' lock."""

from collections.abc import Generator, Sequence
from dataclasses import fields
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from resources.digests import digest
from resources.registry.errors import UnknownVersion
from resources.registry.records import ApprovalTerms, Stage, Version
from resources.registry.tables import IN_PRODUCTION, evaluations
from resources.registry.tables import versions as table

_LISTED = 10


def select(
    connection: sa.Connection, *conditions: sa.ColumnElement[bool] | sa.TextClause
) -> list[Version]:
    """The versions that meet the conditions, by model and number."""
    query = _select().where(*conditions).order_by(*table.primary_key)
    return [_version(dict(row)) for row in connection.execute(query).mappings()]


def stream(connection: sa.Connection) -> Generator[Version]:
    """All versions of all models, some at a time. The caller closes it."""
    query = _select().order_by(*table.primary_key)
    with connection.execute(query, execution_options={"yield_per": 500}) as rows:
        for row in rows.mappings():
            yield _version(dict(row))


def newest(
    connection: sa.Connection, model: str, *, limit: int | None = None, before: int | None = None
) -> list[Version]:
    """The model's newest versions, at most `limit` and numbered below `before`, oldest first."""
    conditions = [table.c.model == model]
    if before is not None:
        conditions.append(table.c.number < before)
    if limit is not None:
        after_last = highest(connection, model) + 1
        end = after_last if before is None else min(before, after_last)
        conditions.append(table.c.number >= end - limit)
    return select(connection, *conditions)


def find(connection: sa.Connection, model: str, number: int) -> Version:
    """One version.

    Raises:
        UnknownVersion: Saying which versions there are.
    """
    found = select(connection, table.c.model == model, table.c.number == number)
    if not found:
        last = highest(connection, model)
        listed = ", ".join(map(str, range(1, last + 1))) if last <= _LISTED else f"1 to {last}"
        raise UnknownVersion(f"{model} has no version {number}; it has {listed or 'none'}")
    return found[0]


def champion(connection: sa.Connection, model: str) -> Version | None:
    """The model's production version."""
    # In no order: for the sake of one PostgreSQL would go through all the versions by their key.
    query = _select().where(table.c.model == model, IN_PRODUCTION)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _version(dict(row))


def champions(connection: sa.Connection) -> dict[str, int]:
    """The number of each model's production version."""
    query = sa.select(table.c.model, table.c.number).where(IN_PRODUCTION)
    return {model: number for model, number in connection.execute(query)}


def of_artifact(connection: sa.Connection, model: str, artifact_digest: str) -> Version | None:
    """The version that holds the artefact."""
    same = table.c.artifact_digest == artifact_digest
    found = select(connection, table.c.model == model, same)
    return found[0] if found else None


def highest(connection: sa.Connection, model: str) -> int:
    """The number of the model's newest version, 0 when it has none. They run from 1 without gap."""
    found = sa.select(sa.func.max(table.c.number)).where(table.c.model == model)
    return connection.scalar(found) or 0


def insert(connection: sa.Connection, added: Sequence[Version]) -> None:
    """Add new versions with their evidence."""
    connection.execute(sa.insert(table), [_row(version) for version in added])
    connection.execute(sa.insert(evaluations), [_evidence(version) for version in added])


def renew(connection: sa.Connection, version: Version) -> None:
    """Point the version at its new evidence and terms; earlier evidence stays on record."""
    row = _evidence(version)
    key = [evaluations.c[name] == row[name] for name in ("model", "number", "evidence_digest")]
    if connection.scalar(sa.select(sa.func.count()).where(*key)) == 0:
        connection.execute(sa.insert(evaluations).values(row))
    _update(
        connection,
        version,
        evidence_digest=version.evidence_digest,
        approvers=list(version.approvers),
        approvals_required=version.approval.required,
        approvals_valid_seconds=int(version.approval.valid.total_seconds()),
    )


def set_stage(connection: sa.Connection, version: Version, stage: Stage) -> None:
    """Put the version in a stage."""
    _update(connection, version, stage=stage)


def record_digest(version: Version) -> str:
    """Of all that is recorded about the version apart from artefact, evidence and stage."""
    row = _row(version)
    for name in ("model", "number", "stage", "artifact_digest", "evidence_digest"):
        del row[name]
    return digest(row | {"created_at": version.created_at.isoformat(timespec="microseconds")})


def _select() -> sa.Select[Any]:
    latest = sa.and_(
        evaluations.c.model == table.c.model,
        evaluations.c.number == table.c.number,
        evaluations.c.evidence_digest == table.c.evidence_digest,
    )
    return sa.select(table, evaluations.c.evidence).join(evaluations, latest, isouter=True)


def _row(version: Version) -> dict[str, Any]:
    row = {field.name: getattr(version, field.name) for field in fields(version)}
    del row["evidence"], row["approval"]
    return row | {
        "approvers": list(version.approvers),
        "approvals_required": version.approval.required,
        "approvals_valid_seconds": int(version.approval.valid.total_seconds()),
    }


def _evidence(version: Version) -> dict[str, Any]:
    names = ("model", "number", "evidence_digest", "evidence")
    return {name: getattr(version, name) for name in names}


def _update(connection: sa.Connection, version: Version, **values: object) -> None:
    same = sa.and_(table.c.model == version.model, table.c.number == version.number)
    connection.execute(sa.update(table).where(same).values(values))


def _version(row: dict[str, Any]) -> Version:
    terms = ApprovalTerms(
        required=row.pop("approvals_required"),
        valid=timedelta(seconds=row.pop("approvals_valid_seconds")),
    )
    typed = {
        "stage": Stage(row["stage"]),
        "approvers": tuple(row["approvers"]),
        "approval": terms,
        # A pointer to evidence that is not there counts as never evaluated.
        "evidence": row["evidence"] or {},
    }
    return Version(**row | typed)
