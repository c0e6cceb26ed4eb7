"""The asset `performance/<team>/<model>`: predictions joined with the labels that came later."""

from datetime import date
from typing import Any

import dagster as dg
import polars as pl
import pyarrow as pa

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import group, key, table
from mlplat_assets.metrics import score
from mlplat_assets.model_spec import METRICS, ModelSpec
from mlplat_assets.partitions import SINGLE_RUN, daily, window
from mlplat_assets.references import resolve_label
from resources.lake import Lake


def performance(model: Declared[ModelSpec], catalogue: Catalogue) -> dg.AssetsDefinition:
    """How good the served predictions turned out to be, by day of decision."""
    label = resolve_label(model, catalogue)
    predictions_key = key("predictions", model.team, model.name)
    labels_key = key("labels", label.table.team, label.table.name)

    @dg.asset(
        key=key("performance", model.team, model.name),
        description="Realised metrics of served predictions, once their labels are known.",
        deps=[predictions_key, labels_key],
        partitions_def=daily(catalogue.teams[model.team]),
        backfill_policy=SINGLE_RUN,
        group_name=group("performance", model.team),
        owners=[catalogue.owner(model)],
        kinds={"ducklake"},
    )
    def realised(
        context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]
    ) -> dg.MaterializeResult:
        first, last = window(context)
        rows = joined(
            lake,
            table("predictions", model.team, model.name),
            table("labels", label.table.team, label.table.name),
            (label.table.spec.unit, label.column),
            (first, last),
        )
        days = daily_scores(rows, model.spec)
        schema = pa.schema(
            [
                ("partition_day", pa.date32()),
                ("version", pa.int64()),
                ("rows", pa.int64()),
                *((name, pa.float64()) for name in METRICS[model.spec.task]),
            ]
        )
        found = pa.Table.from_pylist(days, schema=schema)
        lake.replace_days(table("performance", model.team, model.name), found, first, last)
        return dg.MaterializeResult(
            metadata={
                "labelled": rows.height - rows["label"].null_count(),
                "unlabelled": rows["label"].null_count(),
                **_overall(rows, model.spec),
            }
        )

    return realised


def joined(
    lake: Lake, predictions: str, labels: str, label: tuple[str, str], days: tuple[date, date]
) -> pl.DataFrame:
    """Each prediction of the days with its label, null while that is unknown."""
    unit, column = label
    found = lake.read(
        f"""select p.partition_day, p.version, p.prediction, l.{column} as label
            from {predictions} p left join {labels} l on p.unit_id = l.{unit}
            where p.partition_day between ? and ? and p.variant = 'champion'""",
        list(days),
    )
    return pl.DataFrame(found)


def daily_scores(rows: pl.DataFrame, spec: ModelSpec) -> list[dict[str, Any]]:
    """Metrics of each day and version that has labels of every class."""
    parts = rows.drop_nulls("label").partition_by("partition_day", "version", as_dict=True)
    return [
        {"partition_day": day, "version": version, "rows": part.height}
        | score(spec.task, part["label"].to_numpy(), part["prediction"].to_numpy())
        for (day, version), part in sorted(parts.items())
        if spec.task != "binary" or part["label"].n_unique() == 2
    ]


def _overall(rows: pl.DataFrame, spec: ModelSpec) -> dict[str, float]:
    known = rows.drop_nulls("label")
    if known["label"].n_unique() < 2:
        return {}
    return score(spec.task, known["label"].to_numpy(), known["prediction"].to_numpy())
