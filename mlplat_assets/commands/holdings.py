"""What the lake holds of each feature view, how fresh it is, and by which definition."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from mlplat_assets.commands.stores import NotThereYet, opened_lake
from mlplat_assets.discovery import Catalogue
from mlplat_assets.features.column_lineage import ColumnLineage, known_lineage
from mlplat_assets.features.quality.freshness import Freshness, freshness
from mlplat_assets.features.view_versions import definitions_seen
from resources.lake import VERSIONS, Lake
from resources.settings import Settings

_RECORDED = f"""
    with newest as (
        select table_name, partition_day, arg_max(row_count, recorded_at) as row_count,
               max(recorded_at) as recorded_at
        from {VERSIONS} where starts_with(table_name, 'features.') group by 1, 2
    )
    select table_name as name, count(*) as days, min(partition_day) as first,
           max(partition_day) as last, sum(row_count)::bigint as rows,
           max(recorded_at) as recorded_at
    from newest group by 1 order by 1"""  # noqa: S608  a constant of ours


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What the lake holds of a view; times are UTC.

    `definition` is the digest of the one that the last run computed it by, where recorded.
    """

    days: int
    first: date
    last: date
    rows: int
    freshness: Freshness
    recorded_at: datetime
    definition: str | None


def holdings(settings: Settings, declared: Catalogue, at: datetime) -> Mapping[str, Holding]:
    """What the lake holds of each view that has recorded partitions; nothing without a lake."""
    try:
        with opened_lake(settings) as lake:
            return _holdings(lake, declared, at)
    except NotThereYet:
        return {}


def column_lineages(settings: Settings, tables: list[str]) -> dict[str, ColumnLineage]:
    """The recorded column lineage of `stage.team.name` tables; none without a lake."""
    found = {}
    try:
        with opened_lake(settings) as lake:
            for name in tables:
                stage, rest = name.split(".", 1)
                lineage = known_lineage(lake, f"{stage}.{rest.replace('.', '__', 1)}")
                if lineage is not None:
                    found[name] = lineage
    except NotThereYet:
        return {}
    return found


def _holdings(lake: Lake, declared: Catalogue, at: datetime) -> dict[str, Holding]:
    if not lake.has(VERSIONS):
        return {}
    measured = freshness(lake, declared, at)
    found = {}
    for row in lake.read(_RECORDED).to_pylist():
        name = row["name"].removeprefix("features.").replace("__", ".", 1)
        if name not in measured:  # it was declared once
            continue
        seen = definitions_seen(lake, name)
        found[name] = Holding(
            days=row["days"],
            first=row["first"],
            last=row["last"],
            rows=row["rows"],
            freshness=measured[name],
            recorded_at=row["recorded_at"],
            definition=seen[-1][0] if seen else None,
        )
    return found
