"""Served predictions whose labels are drawn from their own probabilities, or are not."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl

from mlplat_assets.catalogue import catalogue
from mlplat_assets.monitoring.performance.asset import performance
from resources.lake import Lake
from tests.small_home import MODEL, open_lake, open_registry, settings_at

FIRST = date(2013, 1, 5)
PREDICTIONS, LABELS = "predictions.flights__arrival_delay", "labels.flights__arrival_delay"
FOUND = "performance.flights__arrival_delay"
# Probability of truth, of the probability served and the day's place.
Truth = Callable[[np.ndarray, int], np.ndarray]


def as_promised(probability: np.ndarray, place: int) -> np.ndarray:
    """Labels come as often as the probabilities say."""
    return probability


def served(
    days: int,
    rows: int,
    *,
    truth: Truth = as_promised,
    seed: int = 0,
    variant: str = "champion",
    latency_ms: float = 2.0,
) -> pl.DataFrame:
    """Predictions of consecutive days, as the journal brings them, and the column `is_late`."""
    generator = np.random.default_rng(seed)
    frames = []
    for place in range(days):
        probability = 1 / (1 + np.exp(-generator.normal(-0.5, 1.2, rows)))
        start = datetime.combine(FIRST + timedelta(days=place), datetime.min.time())
        seconds = np.linspace(0, 86_000, rows).astype(int).tolist()
        frames.append(
            pl.DataFrame(
                {
                    "partition_day": FIRST + timedelta(days=place),
                    "unit_id": [f"{variant}-{seed}-{place}-{row}" for row in range(rows)],
                    "event_timestamp": [start + timedelta(seconds=each) for each in seconds],
                    "version": 1,
                    "variant": variant,
                    "latency_ms": generator.exponential(latency_ms, rows),
                    "prediction": probability,
                    "probabilities": pl.Series([None] * rows, dtype=pl.String),
                    "entities": [f'{{"origin": "{o}", "carrier": "UA"}}' for o in _origins(rows)],
                    "context": '{"distance": 1400}',
                    "features": "{}",
                    "is_late": (generator.random(rows) < truth(probability, place)).astype(int),
                }
            )
        )
    return pl.concat(frames)


def _origins(rows: int) -> list[str]:
    return [("EWR", "JFK", "LGA")[row % 3] for row in range(rows)]


def put(lake: Lake, rows: pl.DataFrame, *, labelled: int) -> None:
    """Have the rows in the lake, with the labels of the first `labelled` days."""
    first, last = rows["partition_day"].min(), rows["partition_day"].max()
    assert isinstance(first, date) and isinstance(last, date)
    lake.replace_days(PREDICTIONS, rows.drop("is_late").to_arrow(), first, last)
    known = rows.filter(pl.col("partition_day") < FIRST + timedelta(days=labelled)).select(
        pl.col("unit_id").alias("flight_id"),
        "event_timestamp",
        (pl.col("event_timestamp") + timedelta(hours=5)).alias("created_timestamp"),
        "partition_day",
        "is_late",
    )
    lake.replace_days(LABELS, known.to_arrow(), first, last)


def materialise(home: Path, days: int) -> dg.ExecuteInProcessResult:
    """The asset over the days, from the stores of a home."""
    declared = catalogue()
    last = FIRST + timedelta(days=days - 1)
    return dg.materialize(
        [performance(declared.models[MODEL], declared)],
        resources={
            "lake": open_lake(home),
            "registry": open_registry(home),
            "settings": settings_at(home),
        },
        tags={
            "dagster/asset_partition_range_start": FIRST.isoformat(),
            "dagster/asset_partition_range_end": last.isoformat(),
        },
    )


def moment(place: int, hour: int = 0) -> datetime:
    """An hour of a simulated day, UTC."""
    return datetime.combine(FIRST, datetime.min.time(), UTC) + timedelta(days=place, hours=hour)
