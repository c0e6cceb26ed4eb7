"""Which days of a monitoring table are news: those from the last one looked at on."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

from mlplat_assets.alerts.findings import Examination
from resources.lake import Lake

# How far back is looked for what was never told before.
FIRST_LOOK = timedelta(days=7)


def lake_columns(lake: Lake, schema: str) -> dict[str, frozenset[str]]:
    """The columns of each table of a schema, in one query."""
    found = lake.read(
        """select table_name, list(column_name) as columns from duckdb_columns()
           where database_name = 'lake' and schema_name = ? group by table_name""",
        [schema],
    ).to_pylist()
    return {f"{schema}.{row['table_name']}": frozenset(row["columns"]) for row in found}


def since(where: str, seen: Mapping[str, str], names: Sequence[str]) -> tuple[str, list[date]]:
    """The condition, with its value, of a table's days that have news of any of the names.

    The newest day of each that was seen comes again, since it may have more rows by now. A name
    (`kind/team.name`) that nothing was told of yet is looked for in the table's last days.
    """
    known = [date.fromisoformat(seen[name]) for name in names if name in seen]
    if len(known) == len(names):
        return "partition_day >= ?", [min(known)]
    last_days = f"(select max(partition_day) from {where}) - {FIRST_LOOK.days}"
    return f"partition_day >= least(?, {last_days})", [min(known, default=date.max)]


def news(found: Iterable[Examination], seen: Mapping[str, str]) -> list[Examination]:
    """Without the days before the newest one seen: one that is made again is history."""
    return [each for each in found if each.window >= seen.get(name_of(each), "")]


def name_of(examination: Examination) -> str:
    """What days are remembered by."""
    return f"{examination.kind}/{examination.model}"
