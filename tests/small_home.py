"""A home folder with a real registry and a small real lake: two versions, one prediction."""

import json
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from mlplat_assets.monitoring.predictions import ingest
from resources.digests import digest
from resources.event_stream import event_stream
from resources.lake import Lake, lake_from
from resources.registry.records import ApprovalTerms, Json, Version
from resources.registry.registry import Registry, registry
from resources.settings import Settings, from_environment

MODEL = "flights.arrival_delay"
VIEW_TABLE = "features.flights__weather"
DAY = date(2013, 1, 5)
PREDICTION = "5f0c9e6a3c1d4d0f8e7b2a1908f6e5d4"
APPROVER, AUTHOR = "dana@flights.example.com", "ana@flights.example.com"
OLDER = digest("a definition of the weather before today's")
LINEAGE: Json = {
    "code_commit": "0d1e2f3a4b5c6d7e8f901a2b3c4d5e6f708192a3",
    "code_dirty": True,
    "lake_snapshot": 41,
    "training_set_digest": digest("training set"),
    "definitions_digest": digest("definitions"),
    "environment_digest": digest("environment"),
    "partitions": [
        {
            "table": VIEW_TABLE,
            "first": "2013-01-01",
            "last": "2013-06-30",
            "days": 181,
            "digest": "9f86d081884c7d659a2feaa0c55ad015",
        }
    ],
    "views": {"flights.weather": OLDER},
    "python": "3.11.7",
    "hardware": "x86_64, 2 CPUs, no GPU",
    "seed": 20130101,
    "duration_seconds": 61.3,
}


def settings_at(home: Path) -> Settings:
    """All stores embedded below a folder."""
    return from_environment({"MLPLAT_HOME": str(home), "MLPLAT_ACTOR": "carol"})


def open_registry(home: Path) -> Registry:
    """The registry of the home, with its tables."""
    home.mkdir(parents=True, exist_ok=True)
    opened = registry(settings_at(home).registry_url)
    opened.migrate()
    return opened


def register(
    home: Path,
    name: str,
    auc: float = 0.7312,
    approval: ApprovalTerms = ApprovalTerms(),  # noqa: B008  frozen
) -> Version:
    """Register a passed candidate, evaluated against the champion there is."""
    opened = open_registry(home)
    champion = opened.champion(MODEL)
    artifact = digest(name)
    gate = {
        "metric": "auc",
        "floor": 0.62,
        "margin": 0.0,
        "value": auc,
        "champion": 0.7145 if champion else None,
        "passed": True,
        "reason": f"auc {auc} is at least 0.62",
    }
    evidence: dict[str, Any] = {
        "model": MODEL,
        "artifact_digest": artifact,
        "champion_version": champion.number if champion else None,
        "metrics": {"auc": auc, "ece": 0.031},
        "champion_metrics": {"auc": 0.7145, "ece": 0.029} if champion else None,
        "baseline_metrics": {"auc": 0.7250, "ece": 0.034},
        "gates": [gate],
        "passed": True,
        "reasons": [],
    }
    return opened.register(
        MODEL,
        artifact_digest=artifact,
        evidence=evidence,
        evidence_digest=digest(evidence),
        lineage=LINEAGE,
        approvers=(APPROVER, "lee@flights.example.com"),
        approval=approval,
        author=AUTHOR,
        run_id=f"run-{name}",
    )


def crown(home: Path, name: str) -> Version:
    """Register a candidate and put it into production."""
    version = register(home, name)
    return open_registry(home).promote(
        MODEL, version.number, actor="carol", approver=APPROVER, reason=f"{name} is better"
    )


def open_lake(home: Path) -> Lake:
    """The lake of the home."""
    return lake_from(settings_at(home))


def write_weather(home: Path, temp: float) -> str:
    """Make one day of the weather view hold one row; returns the digest of its content."""
    at = datetime(2013, 1, 5, 11)  # noqa: DTZ001  the lake keeps UTC without a zone
    rows = pl.DataFrame(
        {
            "origin": ["EWR"],
            "event_timestamp": [at],
            "created_timestamp": [at],
            "partition_day": [DAY],
            "temp": [temp],
            "wind_gust": pl.Series([None], dtype=pl.Float64),
            "visib": [10.0],
        }
    )
    lake = open_lake(home)
    lake.replace_days(VIEW_TABLE, rows.to_arrow(), DAY, DAY)
    return lake.record_partitions(VIEW_TABLE, DAY, DAY, run_id="run-weather")[0].digest


def write_prediction(home: Path, made_by: Version, **changes: object) -> Json:
    """Journal a prediction of a version, served now."""
    record: Json = {
        "prediction_id": PREDICTION,
        "model": MODEL,
        "version": made_by.number,
        "artifact_digest": made_by.artifact_digest,
        "bento": f"flights__arrival_delay:v{made_by.number}",
        "variant": "champion",
        "served_at": datetime.now(UTC).isoformat(),
        "event_timestamp": "2013-01-05T12:15:00+00:00",
        "unit_id": "UA-1545-EWR-2013-01-05",
        "entities": {"carrier": "UA", "origin": "EWR", "tailnum": None},
        "context": {"distance": 1400, "is_holiday": False},
        "features": {
            "weather__temp": 37.94,
            "weather__wind_gust": None,
            "weather_alert__is_active": None,
        },
        "feature_status": {
            "weather__temp": "PRESENT",
            "weather__wind_gust": "NULL",
            "weather_alert__is_active": "NOT_FOUND",
        },
        "feature_times": {
            "flights.weather": "2013-01-05T11:00:00+00:00",
            "flights.weather_alert": None,
        },
        "feature_partitions": {"flights.weather": "2013-01-05", "flights.weather_alert": None},
        "prediction": 0.2371,
        "latency_ms": 0.612,
    } | changes
    folder = settings_at(home).journal / MODEL
    folder.mkdir(parents=True, exist_ok=True)
    name = f"20130105T000000000000Z-1-{record['prediction_id'][:8]}.ndjson"
    with (folder / name).open("a") as segment:
        segment.write(json.dumps(record) + "\n")
    return record


def take_in(home: Path) -> None:
    """Bring the journal into the lake."""
    journal = settings_at(home).journal / MODEL
    ingest(open_lake(home), journal, "predictions.flights__arrival_delay")


def furnish(home: Path) -> str:
    """Two champions one after the other, one view, one prediction of the second one, two events.

    Returns the digest of the partition that the prediction read.
    """
    crown(home, "first")
    second = crown(home, "second")
    partition = write_weather(home, temp=37.94)
    write_prediction(home, second)
    take_in(home)
    with closing(event_stream(settings_at(home).stream_url)) as stream:
        stream.append("flights.departures", [b"{}", b"{}"])
    return partition
