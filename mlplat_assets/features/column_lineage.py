"""Which columns of which tables each column of a table comes from.

A declared aggregate says it itself. Of a dbt model it is read from the compiled SQL, once per text
of the model and its macros, and kept in the lake, where the command line finds it without dbt. A
Python function's columns cannot be read: there only the tables are known.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlplat_assets.aggregates import WindowedAggregates
from mlplat_assets.features.view_versions import dbt_text_digest
from mlplat_assets.spec import FeatureView
from resources.lake import Lake, create_table

if TYPE_CHECKING:
    import dagster as dg

COLUMNS = "lineage.columns"
# What sqlglot's optimizer was seen to raise, or may, on SQL that it does not understand.
_DEFECTS = (ValueError, KeyError, AttributeError, TypeError, RecursionError)
_STAGES = ("raw", "staging", "features", "labels")


@dataclass(frozen=True, kw_only=True)
class ColumnLineage:
    """The upstream columns of each column, as `stage.team.name:column`; what could not be read.

    A column without upstream ones is computed from none, such as an hour of a calendar.
    `unresolved` holds why, by column, or by `*` when the whole text could not be read.
    """

    columns: Mapping[str, tuple[str, ...]]
    unresolved: Mapping[str, str] = field(default_factory=dict)

    def metadata(self) -> "dict[str, dg.MetadataValue]":
        """The lineage as Dagster's web interface draws it, and what is missing in it."""
        import dagster as dg  # 0.9 s, which the command line need not pay

        told: dict[str, dg.MetadataValue] = {
            "dagster/column_lineage": dg.MetadataValue.column_lineage(
                dg.TableColumnLineage(
                    {
                        column: [
                            dg.TableColumnDep(asset_key=dg.AssetKey(path), column_name=name)
                            for path, name in map(_parts, upstream)
                        ]
                        for column, upstream in self.columns.items()
                    }
                )
            )
        }
        if self.unresolved:
            told["column_lineage_unresolved"] = dg.MetadataValue.json(dict(self.unresolved))
        return told


def of_aggregates(view: FeatureView, declared: WindowedAggregates) -> ColumnLineage:
    """The lineage that declared aggregates state: of each feature, its column of the source."""
    source = f"raw.{declared.source}"
    columns = {entity.name: (f"{source}:{entity.name}",) for entity in view.entities}
    for name in ("event_timestamp", "created_timestamp", "partition_day"):
        columns[name] = (f"{source}:{declared.timestamp}",)
    for name, aggregate in declared.features.items():
        columns[name] = (f"{source}:{aggregate.column or declared.unit}",)
    return ColumnLineage(columns=columns)


def of_sql(sql: str, schema: Mapping[str, Mapping[str, Mapping[str, str]]]) -> ColumnLineage:
    """The lineage of a query in DuckDB's dialect over tables of the lake.

    `schema` has the column types by schema, table and column. What sqlglot cannot read is told,
    never raised: lineage is for people, a run does not depend on it.
    """
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError
    from sqlglot.lineage import lineage
    from sqlglot.optimizer import build_scope, qualify

    known: dict[str, object] = {"lake": schema}
    try:
        query = qualify.qualify(parse_one(sql, dialect="duckdb"), dialect="duckdb", schema=known)
    except (SqlglotError, *_DEFECTS) as error:
        return ColumnLineage(columns={}, unresolved={"*": _first_line(error)})
    if not isinstance(query, exp.Query):
        return ColumnLineage(columns={}, unresolved={"*": f"a {query.key} is no query"})
    scope = build_scope(query)
    columns: dict[str, tuple[str, ...]] = {}
    unresolved = {}
    for name in query.named_selects:
        try:
            tree = lineage(name, query, schema=known, scope=scope, dialect="duckdb")
        except (SqlglotError, *_DEFECTS) as error:
            unresolved[name] = _first_line(error)
        else:
            columns[name] = _leaves(tree)
    return ColumnLineage(columns=columns, unresolved=unresolved)


def of_model(lake: Lake, table: str, project: Path, model: Path, compiled: Path) -> ColumnLineage:
    """The lineage of a dbt model that was just built, read again only when its text changed.

    `model` is its SQL in the project and `compiled` what dbt made of it.
    """
    text = dbt_text_digest(project, model)
    kept = _kept(lake, table)
    if kept and kept[0] == text:
        return kept[1]
    found = of_sql(compiled.read_text(), _lake_schema(lake))
    with lake.write() as connection:
        create_table(
            connection,
            COLUMNS,
            """select ''::varchar as table_name, ''::varchar as digest, ''::varchar as lineage
               limit 0""",
        )
        connection.execute(f"delete from {COLUMNS} where table_name = ?", [table])
        said = json.dumps({"columns": found.columns, "unresolved": found.unresolved})
        connection.execute(f"insert into {COLUMNS} values (?, ?, ?)", [table, text, said])
    return found


def known_lineage(lake: Lake, table: str) -> ColumnLineage | None:
    """The lineage kept of a table's model; None where it was never built."""
    kept = _kept(lake, table)
    return kept and kept[1]


def _kept(lake: Lake, table: str) -> tuple[str, ColumnLineage] | None:
    if not lake.has(COLUMNS):
        return None
    found = lake.read(f"select digest, lineage from {COLUMNS} where table_name = ?", [table])
    for row in found.to_pylist():
        said = json.loads(row["lineage"])
        columns = {name: tuple(upstream) for name, upstream in said["columns"].items()}
        return row["digest"], ColumnLineage(columns=columns, unresolved=said["unresolved"])
    return None


def _lake_schema(lake: Lake) -> dict[str, dict[str, dict[str, str]]]:
    found: dict[str, dict[str, dict[str, str]]] = {stage: {} for stage in _STAGES}
    columns = lake.read(
        f"""select schema_name, table_name, column_name, data_type from duckdb_columns()
            where database_name = 'lake' and schema_name in {_STAGES}"""
    )
    for row in columns.to_pylist():
        table = found[row["schema_name"]].setdefault(row["table_name"], {})
        table[row["column_name"]] = row["data_type"]
    return found


def _leaves(tree: object) -> tuple[str, ...]:
    """The columns of tables at the ends of sqlglot's tree; constants and counts have none."""
    from sqlglot import exp

    found = set()
    for node in tree.walk():  # type: ignore[attr-defined]
        table = node.source
        if isinstance(table, exp.Table) and not node.downstream and table.db:
            name = f"{table.db}.{table.name.replace('__', '.', 1)}"
            found.add(f"{name}:{exp.to_column(node.name).name}")
    return tuple(sorted(found))


def _parts(reference: str) -> tuple[list[str], str]:
    table, _, column = reference.partition(":")
    return table.split("."), column


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
