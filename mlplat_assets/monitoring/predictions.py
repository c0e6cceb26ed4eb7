"""The prediction journal into the lake, each acknowledged prediction exactly once."""

import json
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl

from mlplat_assets.automation import hourly
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import group, key, table
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.monitoring.journal_intake import Intake
from mlplat_assets.monitoring.journal_records import Predicted
from mlplat_assets.partitions import SINGLE_RUN, daily, window
from resources.lake import Lake
from resources.settings import Settings


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
    """Append what the journal holds since the last time; returns how many predictions are new.

    Takes all days at once: a window of days only decides what is reported.

    Raises:
        JournalCorrupted: A line is no record of a prediction.
    """
    return Intake(folder=journal, record=Predicted, table=table_name).run(lake)


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
