"""What all models look like at once: a few queries, however many models there are."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import sqlalchemy as sa

from resources.registry import approvals, audit, versions
from resources.registry import evidence as gate
from resources.registry.errors import PromotionRefused, TrafficInvalid
from resources.registry.identity import person
from resources.registry.records import ACCEPTED, Action, Approval, AuditEntry, Stage, Version
from resources.registry.tables import CROWNED, IN_PRODUCTION, audit_log
from resources.registry.tables import approvals as approval_table
from resources.registry.tables import traffic as traffic_table
from resources.registry.tables import versions as version_table
from resources.registry.traffic_table import Traffic, read_traffic

# Of each model's versions in staging and canary: nobody approves the sixth newest.
_OPEN = 5

State = Literal["waiting", "approved", "rejected", "blocked"]


@dataclass(frozen=True, kw_only=True)
class Surveyed:
    """One model at a glance.

    Attributes:
        stages: How many versions there are in each stage that has any.
        champion: The number of the production version.
        since: When it became the champion, UTC.
        traffic: The table in force; None while there never was one.
        broken: Why the traffic table cannot be read, else None.
    """

    model: str
    stages: dict[Stage, int]
    champion: int | None
    since: datetime | None
    traffic: Traffic | None
    broken: str | None


@dataclass(frozen=True, kw_only=True)
class Candidacy:
    """How far an open version is from production.

    Attributes:
        standing: The verdicts on it that stand, one of each person at most.
        others: Who may approve it and gave no verdict that stands.
        obstacle: Why no approval would bring it there: stale, edited or refused evidence.
    """

    version: Version
    standing: tuple[Approval, ...]
    others: tuple[str, ...]
    obstacle: str | None

    @property
    def state(self) -> State:
        """What it waits for: approvals, or nothing that they could give."""
        if self.obstacle is not None:
            return "blocked"
        if any(each.verdict is Action.REJECTED for each in self.standing):
            return "rejected"
        enough = len(self.standing) >= self.version.approval.required
        return "approved" if enough else "waiting"


def survey(connection: sa.Connection) -> list[Surveyed]:
    """Every model that has a version, by name."""
    stages: dict[str, dict[Stage, int]] = defaultdict(dict)
    counted = sa.select(version_table.c.model, version_table.c.stage, sa.func.count())
    for model, stage, count in connection.execute(
        counted.group_by(version_table.c.model, version_table.c.stage)
    ):
        stages[model][Stage(stage)] = count
    champions, crowned, tables = _champions(connection), _crowned(connection), _tables(connection)
    found = []
    for model in sorted(stages):
        traffic, broken = tables.get(model, (None, None))
        found.append(
            Surveyed(
                model=model,
                stages=stages[model],
                champion=champions.get(model),
                since=crowned.get(model),
                traffic=traffic,
                broken=broken,
            )
        )
    return found


def candidacies(
    connection: sa.Connection, now: datetime, model: str | None = None
) -> list[Candidacy]:
    """The newest open versions of each model, or of one: those in staging and canary."""
    found = _open_versions(connection, model)
    if not found:
        return []
    champions = _champions(connection)
    digests = sorted({version.artifact_digest for version in found})
    judged: dict[tuple[str, str | None], list[AuditEntry]] = defaultdict(list)
    for entry in audit.read(
        connection,
        audit_log.c.artifact_digest.in_(digests),
        audit_log.c.action.in_([*ACCEPTED, Action.REFUSED]),
    ):
        judged[entry.model, entry.artifact_digest].append(entry)
    given: dict[tuple[str, int], list[Approval]] = defaultdict(list)
    named = approval_table.c.model.in_(sorted({version.model for version in found}))
    for approval in approvals.read(connection, named):
        given[approval.model, approval.number].append(approval)
    at = audit.moment(connection, now)
    return [
        candidacy(
            version,
            judged[version.model, version.artifact_digest],
            given[version.model, version.number],
            champions.get(version.model),
            at,
        )
        for version in found
    ]


def candidacy(
    version: Version,
    judgements: Sequence[AuditEntry],
    given: Sequence[Approval],
    champion: int | None,
    at: datetime,
) -> Candidacy:
    """Where a version stands, from what is on record about it. Pure."""
    authors = gate.authors(version, judgements)
    standing = approvals.standing(given, version, authors, at)
    spoken = {person(each.approver) for each in standing}
    obstacle = None
    try:
        gate.require_standing(version, judgements)
        gate.require_current(version, champion)
    except PromotionRefused as refused:
        obstacle = str(refused)
    return Candidacy(
        version=version,
        standing=tuple(standing),
        others=tuple(n for n in gate.may_approve(version, authors) if person(n) not in spoken),
        obstacle=obstacle,
    )


def _open_versions(connection: sa.Connection, model: str | None) -> list[Version]:
    stage, number = version_table.c.stage, version_table.c.number
    age = sa.func.row_number().over(partition_by=version_table.c.model, order_by=number.desc())
    ranked = sa.select(version_table.c.model, number, age.label("age")).where(
        stage.in_([Stage.STAGING, Stage.CANARY])
    )
    if model is not None:
        ranked = ranked.where(version_table.c.model == model)
    newest = ranked.subquery()
    chosen = sa.select(newest.c.model, newest.c.number).where(newest.c.age <= _OPEN)
    return versions.select(connection, sa.tuple_(version_table.c.model, number).in_(chosen))


def _champions(connection: sa.Connection) -> dict[str, int]:
    query = sa.select(version_table.c.model, version_table.c.number).where(IN_PRODUCTION)
    return {model: number for model, number in connection.execute(query)}


def _crowned(connection: sa.Connection) -> dict[str, datetime]:
    """When each model's present champion became it."""
    last = sa.select(sa.func.max(audit_log.c.id)).where(CROWNED).group_by(audit_log.c.model)
    query = sa.select(audit_log.c.model, audit_log.c.at).where(audit_log.c.id.in_(last))
    return {model: at for model, at in connection.execute(query)}


def _tables(connection: sa.Connection) -> dict[str, tuple[Traffic | None, str | None]]:
    newest = (
        sa.select(traffic_table.c.model, sa.func.max(traffic_table.c.revision).label("revision"))
        .group_by(traffic_table.c.model)
        .subquery()
    )
    query = sa.select(traffic_table.c.model, traffic_table.c.document).join(
        newest,
        sa.and_(
            newest.c.model == traffic_table.c.model,
            newest.c.revision == traffic_table.c.revision,
        ),
    )
    found: dict[str, tuple[Traffic | None, str | None]] = {}
    for model, document in connection.execute(query):
        try:
            found[model] = read_traffic(document), None
        except TrafficInvalid as error:
            found[model] = None, str(error)
    return found
