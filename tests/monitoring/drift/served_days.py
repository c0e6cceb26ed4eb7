"""A lake with served predictions, and the artefact of the version that made them."""

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from mlplat_assets.monitoring.drift.profile import reference_profile
from mlplat_assets.monitoring.journal_records import Predicted, schema_of
from resources.artifacts import ArtifactStore
from resources.lake import Lake

SERVED = "predictions.flights__arrival_delay"
FIRST = date(2013, 1, 1)
TRAINED = [FIRST + timedelta(days=day) for day in range(20)]
POLICY = {"psi_floor": 0.2, "quantile": 1.0, "columns": 2, "minimum_rows": 200}
_SCHEMA = schema_of(Predicted)


def inputs(rows: int, seed: int, shift: float = 0.0) -> pl.DataFrame:
    """A feature, a context field and an entity."""
    random = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "weather__wind": random.normal(shift, size=rows),
            "distance": random.integers(100, 2_000, rows),
            "carrier": random.choice(["AA", "B6", "UA"], rows),
        }
    )


def answers(frame: pl.DataFrame) -> np.ndarray:
    """What the model says: the wind decides."""
    return 1 / (1 + np.exp(-frame["weather__wind"].to_numpy()))


def artefact(artifacts: ArtifactStore, folder: Path, *, segments: Sequence[str] = ()) -> str:
    """The digest of an artefact whose card profiles 20 training days of 400 rows."""
    training = inputs(8_000, seed=0)
    days = pl.Series([day for day in TRAINED for _ in range(400)])
    folder.mkdir(parents=True)
    frozen = folder / "training.parquet"
    moments = days.cast(pl.Datetime("us")).alias("event_timestamp")
    training.with_columns(moments).write_parquet(frozen)
    digest = artifacts.put_file(frozen)
    frozen.unlink()
    profile = reference_profile(training, days, answers(training), quantile=1.0, segments=segments)
    card = {
        "profile": profile,
        "drift": POLICY,
        "lineage": {"training_set_digest": digest},
        "training": {"periods": {"train": {"first": "2013-01-01", "last": "2013-01-20"}}},
    }
    (folder / "card.json").write_text(json.dumps(card))
    return artifacts.put_folder(folder)


def serve(lake: Lake, day: date, digest: str, frame: pl.DataFrame, **changed: Any) -> None:
    """Put a day of predictions into the lake; `changed` replaces values of the JSON, `...` omits.

    Columns with two underscores are features, `carrier` an entity, others context.
    """
    rows = []
    told = answers(frame)
    for place, row in enumerate(frame.iter_rows(named=True)):
        values = {name: value for name, value in (row | changed).items() if value is not ...}
        blank: dict[str, Any] = dict.fromkeys(_SCHEMA.names)
        rows.append(
            blank
            | {
                "prediction_id": f"{day}-{place}",
                "version": 1,
                "artifact_digest": digest,
                "variant": "champion",
                "event_timestamp": datetime.combine(day, datetime.min.time()),
                "partition_day": day,
                "entities": json.dumps({k: v for k, v in values.items() if k == "carrier"}),
                "context": json.dumps({k: v for k, v in values.items() if k == "distance"}),
                "features": json.dumps({k: v for k, v in values.items() if "__" in k}),
                "prediction": float(told[place]),
            }
        )
    lake.replace_days(SERVED, pa.Table.from_pylist(rows, schema=_SCHEMA), day, day)
