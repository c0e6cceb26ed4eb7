"""How long a round of drift over 100 models takes: each reads a day, compares it, writes it."""

import json
import time
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from mlplat_assets.monitoring.drift.days import daily_reports, served_cards
from mlplat_assets.monitoring.drift.profile import reference_profile
from mlplat_assets.monitoring.drift.records import record
from mlplat_assets.monitoring.journal_records import Predicted, schema_of
from resources.artifacts import artifact_store
from resources.lake import Lake, lake_from
from resources.settings import from_environment

DAY = date(2013, 6, 1)
_NUMERIC, _TEXTS = 20, 5


def tick(models: int, rows: int) -> dict[str, Any]:
    """Wall and CPU seconds of one round, the lake and the cards on this machine."""
    with TemporaryDirectory() as home:
        settings = from_environment({"MLPLAT_HOME": home})
        artifacts = artifact_store(settings.artifacts_url, settings.home / "cache")
        digest = artifacts.put_folder(_artefact(Path(home) / "artefact"))
        lake = lake_from(settings)
        served = _served(rows, digest)
        for number in range(models):
            lake.replace_days(f"predictions.team__model_{number}", served, DAY, DAY)
        start = time.perf_counter()
        verdicts = [_one(lake, artifacts, number) for number in range(models)]
        first = time.perf_counter() - start
        wall, cpu = time.perf_counter(), time.process_time()
        verdicts += [_one(lake, artifacts, number) for number in range(models)]
        found = {
            "models": models,
            "rows_each": rows,
            "columns": _NUMERIC + _TEXTS,
            "first_seconds": round(first, 2),  # the tables of drift are made in it
            "seconds": round(time.perf_counter() - wall, 2),
            "cpu_seconds": round(time.process_time() - cpu, 2),
            "verdicts": sorted(set(verdicts)),
        }
        lake.close()
    return found


def _one(lake: Lake, artifacts: Any, number: int) -> str:  # noqa: ANN401
    served, days = f"predictions.team__model_{number}", (DAY, DAY)
    cards = served_cards(lake, artifacts, served, days)
    reports = daily_reports(lake, served, cards, days)
    record(lake, f"drift.team__model_{number}", reports, days)
    return reports[DAY, 1].verdict


def _inputs(rows: int, seed: int) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    texts = np.array([f"v{number}" for number in range(20)])
    numbers = {f"view__n{i}": random.normal(size=rows) for i in range(_NUMERIC)}
    return pl.DataFrame(
        numbers | {f"view__c{i}": random.choice(texts, rows) for i in range(_TEXTS)}
    )


def _artefact(folder: Path) -> Path:
    rows = _inputs(20_000, 0)
    days = (pl.int_range(len(rows), eager=True) // 1_000).cast(pl.Int32).cast(pl.Date)
    profile = reference_profile(rows, days, np.zeros(len(rows)), quantile=1.0)
    policy = {"psi_floor": 0.2, "columns": 2, "minimum_rows": 200}
    folder.mkdir()
    (folder / "card.json").write_text(json.dumps({"profile": profile, "drift": policy}))
    return folder


def _served(rows: int, digest: str) -> pa.Table:
    schema = schema_of(Predicted)
    blank: dict[str, Any] = dict.fromkeys(schema.names)
    told = {
        "version": 1, "artifact_digest": digest, "variant": "champion", "entities": "{}",
        "context": "{}", "prediction": 0.0, "partition_day": DAY,
        "event_timestamp": datetime.combine(DAY, datetime.min.time()),
    }  # fmt: skip
    found = [
        blank | told | {"prediction_id": str(place), "features": json.dumps(row)}
        for place, row in enumerate(_inputs(rows, 1).iter_rows(named=True))
    ]
    return pa.Table.from_pylist(found, schema=schema)
