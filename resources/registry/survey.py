"""What all models look like at once: a few queries, however many models there are."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from resources.registry import versions
from resources.registry.errors import TrafficInvalid
from resources.registry.records import Stage
from resources.registry.tables import CROWNED, audit_log
from resources.registry.tables import traffic as traffic_table
from resources.registry.tables import versions as version_table
from resources.registry.traffic_table import Traffic, read_traffic


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


def survey(connection: sa.Connection) -> list[Surveyed]:
    """Every model that has a version, by name."""
    stages: dict[str, dict[Stage, int]] = defaultdict(dict)
    counted = sa.select(version_table.c.model, version_table.c.stage, sa.func.count())
    for model, stage, count in connection.execute(
        counted.group_by(version_table.c.model, version_table.c.stage)
    ):
        stages[model][Stage(stage)] = count
    champions = versions.champions(connection)
    crowned, tables = _crowned(connection), _tables(connection)
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
