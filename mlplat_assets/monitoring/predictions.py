"""The prediction journal into the lake, each acknowledged prediction exactly once."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pyarrow as pa

from bentos.model_server.journal.segments import read_segments
from mlplat_assets.automation import hourly
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import group, key, table
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.partitions import SINGLE_RUN, daily, window
from resources.lake import Lake, add_column, create_table
from resources.settings import Settings

OFFSETS = "lineage.journal_offsets"
_JSON = ("entities", "context", "features", "feature_status", "feature_times", "feature_partitions")
SCHEMA = pa.schema(
    [
        ("prediction_id", pa.string()),
        ("model", pa.string()),
        ("version", pa.int64()),
        ("artifact_digest", pa.string()),
        ("bento", pa.string()),
        ("variant", pa.string()),
        ("served_at", pa.timestamp("us")),
        ("event_timestamp", pa.timestamp("us")),
        ("unit_id", pa.string()),
        *((name, pa.string()) for name in _JSON),
        # Of a multiclass model: the probability of the class that was answered.
        ("prediction", pa.float64()),
        ("probabilities", pa.string()),
        ("latency_ms", pa.float64()),
        ("partition_day", pa.date32()),
    ]
)


def predictions(model: Declared[ModelSpec], catalogue: Catalogue) -> dg.AssetsDefinition:
    """What one model's services predicted, by the UTC day of the decision."""
    table_name = table("predictions", model.team, model.name)

    @dg.asset(
        key=key("predictions", model.team, model.name),
        description="Every acknowledged prediction: inputs, feature times, version, latency.",
        deps=[key("endpoints", model.team, model.name)],
        partitions_def=daily(catalogue.teams[model.team]),
        backfill_policy=SINGLE_RUN,
        group_name=group("predictions", model.team),
        owners=[catalogue.owner(model)],
        kinds={"ducklake"},
        automation_condition=hourly(catalogue.teams[model.team]),
    )
    def taken_in(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult:
        new = ingest(lake, settings.journal / model.full_name, table_name)
        days = predictions_by_day(lake, table_name, *window(context))
        for day, rows in days.items():
            context.add_asset_metadata(
                {"dagster/partition_row_count": rows}, partition_key=day.isoformat()
            )
        return dg.MaterializeResult(
            metadata={"taken_in": new, "dagster/row_count": sum(days.values())}
        )

    return taken_in


def ingest(lake: Lake, journal: Path, table_name: str) -> int:
    """Append what the journal holds since the last time; rows and offsets in one transaction.

    Takes all days at once: a window of days only decides what is reported. Returns how many
    predictions are new.
    """
    folder = journal.name
    with lake.write() as connection:
        create_table(
            connection,
            OFFSETS,
            "select ''::varchar as folder, ''::varchar as segment, 0::bigint as bytes limit 0",
        )
        connection.register("no_rows", SCHEMA.empty_table())
        create_table(connection, table_name, "select * from no_rows", partition_by="partition_day")
        known = connection.execute(
            f"select segment, bytes from {OFFSETS} where folder = ?", [folder]
        ).fetchall()
        records, offsets = read_segments(journal, dict(known))
        if records:
            add_column(connection, table_name, "probabilities", "varchar")
            connection.register("incoming", _as_arrow(records))
            connection.execute(f"insert into {table_name} by name select * from incoming")
            connection.execute(f"delete from {OFFSETS} where folder = ?", [folder])
            rows = {"segment": list(offsets), "bytes": list(offsets.values())}
            connection.register("moved", pa.table({"folder": [folder] * len(offsets), **rows}))
            connection.execute(f"insert into {OFFSETS} by name select * from moved")
    return len(records)


def predictions_by_day(lake: Lake, table_name: str, first: date, last: date) -> dict[date, int]:
    """How many predictions each day of the window has, days without any included."""
    counted = lake.read(
        f"""select day::date as day, count(prediction_id) as n
            from generate_series(?::date, ?::date, interval 1 day) as days(day)
            left join {table_name} on partition_day = day::date
            group by 1 order by 1""",
        [first, last],
    ).to_pydict()
    return dict(zip(counted["day"], counted["n"], strict=True))


def served_inputs(rows: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """The input columns of served predictions, one row each, nulls where a value was missing."""
    decoded = [
        {**json.loads(entities), **json.loads(context), **json.loads(features)}
        for entities, context, features in rows.select("entities", "context", "features").rows()
    ]
    return pl.DataFrame(
        {
            name: pl.Series(name, [row.get(name) for row in decoded], strict=False)
            for name in columns
        }
    )


def _as_arrow(records: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([_row(record) for record in records], schema=SCHEMA)


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    row = {name: record[name] for name in SCHEMA.names if name in record}
    row |= {name: json.dumps(record[name], sort_keys=True) for name in _JSON}
    if "probabilities" in record:
        row["probabilities"] = json.dumps(record["probabilities"])  # in the classes' order
    for name in ("served_at", "event_timestamp"):
        row[name] = datetime.fromisoformat(record[name]).replace(tzinfo=None)
    return row | {"partition_day": row["event_timestamp"].date()}
