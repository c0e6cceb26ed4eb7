"""The asset `performance/<team>/<model>`: predictions joined with the labels that came later."""

import json
from datetime import date
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pyarrow as pa

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import group, key, table
from mlplat_assets.metrics import score
from mlplat_assets.model_spec import METRICS, ModelSpec, Task
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
            model.spec.task,
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
    lake: Lake,
    predictions: str,
    labels: str,
    label: tuple[str, str],
    days: tuple[date, date],
    task: Task,
) -> pl.DataFrame:
    """Each prediction of the days with its label, null while that is unknown."""
    unit, column = label
    predicted = "p.probabilities as prediction" if task == "multiclass" else "p.prediction"
    found = lake.read(
        f"""select p.partition_day, p.version, {predicted}, l.{column} as label
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
        | score(spec.task, *outcomes(part, spec.task))
        for (day, version), part in sorted(parts.items())
        if spec.task == "regression" or part["label"].n_unique() > 1
    ]


def _overall(rows: pl.DataFrame, spec: ModelSpec) -> dict[str, float]:
    known = rows.drop_nulls("label")
    if known["label"].n_unique() < 2:
        return {}
    return score(spec.task, *outcomes(known, spec.task))


def outcomes(rows: pl.DataFrame, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Truth [n] and predictions [n] as `score` takes them; of classes, [n, K] by sorted name.

    A class that a version does not know had probability 0.
    """
    if task != "multiclass":
        return rows["label"].to_numpy(), rows["prediction"].to_numpy()
    known = [json.loads(text) for text in rows["prediction"]]
    labels = rows["label"].cast(pl.String).to_list()
    classes = sorted({*labels, *(name for row in known for name in row)})
    predicted = np.array([[row.get(name, 0.0) for name in classes] for row in known])
    return np.array([classes.index(name) for name in labels]), predicted
