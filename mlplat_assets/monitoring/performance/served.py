"""Predictions joined with the labels that came since, and the columns that slices are cut by."""

import json
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from mlplat_assets.assessment.estimation import ESTIMATED
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import table
from mlplat_assets.model_spec import ModelSpec, Task
from mlplat_assets.references import resolve_label
from resources.lake import Lake

# Who answered: rows of one day are told apart by these.
SERIES = ("version", "variant")


@dataclass(frozen=True, kw_only=True)
class Series:
    """What one variant of one version answered over the days that end with `day`, inclusive."""

    day: date
    days: int
    version: int
    variant: str
    rows: pl.DataFrame

    @property
    def labelled(self) -> pl.DataFrame:
        """The rows whose label is known."""
        return self.rows.drop_nulls("label")


def served_rows(
    lake: Lake, model: Declared[ModelSpec], catalogue: Catalogue, first: date, last: date
) -> pl.DataFrame:
    """Each prediction of the days, with its label and when that was known, null until then.

    Columns `partition_day`, `event_timestamp`, `version`, `variant`, `latency_ms`, `prediction`
    (of classes, probabilities as JSON text), `label`, `labelled_at`, and `by_<column>` for each
    column that the model declares slices or fairness of.
    """
    label = resolve_label(model, catalogue)
    predictions = table("predictions", model.team, model.name)
    labels = table("labels", label.table.team, label.table.name)
    predicted = "p.probabilities" if model.spec.task == "multiclass" else "p.prediction"
    numeric = {each.column for each in model.spec.slices if each.edges}
    columns = part_columns(model.spec)
    parts = "".join(
        f", {_part(place + 2, column in numeric)} as by_{column}"
        for place, column in enumerate(columns)
    )
    found = lake.read(
        f"""select p.partition_day, p.event_timestamp, p.version, p.variant, p.latency_ms,
                   {predicted} as prediction, l.{label.column} as label,
                   l.created_timestamp as labelled_at{parts}
            from {predictions} p left join {labels} l on p.unit_id = l.{label.table.spec.unit}
            where p.partition_day between $1 and ${len(columns) + 2}
            order by p.partition_day, p.event_timestamp""",
        [first, *columns, last],
    )
    return pl.DataFrame(found)


def part_columns(spec: ModelSpec) -> list[str]:
    """The columns of slices and fairness, each once."""
    return list(dict.fromkeys(each.column for each in (*spec.slices, *spec.fairness)))


def _part(parameter: int, numeric: bool) -> str:
    # A key is quoted, so that a dot in it is no path.
    path = f"""'$."' || ${parameter} || '"'"""
    named = (
        f"json_extract_string(p.{text}, {path})" for text in ("entities", "context", "features")
    )
    text = f"coalesce({', '.join(named)})"
    return f"try_cast({text} as double)" if numeric else text


def series(rows: pl.DataFrame, day: date, days: int) -> list[Series]:
    """Who answered on a day, each with its rows of the `days` days that end with it."""
    spoke = rows.filter(pl.col("partition_day") == day).select(SERIES).unique().sort(SERIES)
    recent = rows.filter(pl.col("partition_day").is_between(day - timedelta(days=days - 1), day))
    return [
        Series(
            day=day,
            days=days,
            version=version,
            variant=variant,
            rows=recent.filter((pl.col("version") == version) & (pl.col("variant") == variant)),
        )
        for version, variant in spoke.rows()
    ]


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


def probabilities(rows: pl.DataFrame, task: Task) -> np.ndarray | None:
    """What an estimate is made of, labels known or not; None of a task that has none."""
    if not ESTIMATED[task]:
        return None
    if task == "binary":
        return rows["prediction"].to_numpy()
    known = [json.loads(text) for text in rows["prediction"]]
    classes = sorted({name for row in known for name in row})
    return np.array([[row.get(name, 0.0) for name in classes] for row in known])
