"""Why one prediction is what it is: the version, the people, the code and the data behind it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from mlplat_assets.monitoring.features_read import (
    Computed,
    Scalar,
    ViewRead,
    computed_values,
    given_values,
    views_read,
)
from mlplat_assets.monitoring.journal_records import FAILURES, SHADOWS
from mlplat_assets.monitoring.touched import prediction_tables
from resources.lake import Lake
from resources.registry.reader import RegistryReader
from resources.registry.records import Approval, Version


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One prediction with everything that determined it. Times are UTC.

    Attributes:
        prediction: The number; of a multiclass model, the probability of the answered class.
        probabilities: The probability of each class of a multiclass model, else empty.
        bucket: Which of the 10,000 buckets the unit is in, and `revision` the traffic table that
            chose the version by it; None of a prediction that no table chose.
        flags: What was done to fields of the request (`clipped`, `flagged`), and `store` where the
            online store was away.
        client: Who asked, if the service knew; `trace_id` of the request, if it had one.
        stream: The stream that brought the event, of a prediction that nobody asked for.
        stage: The version's stage when it served the prediction.
        approver: Who had approved the version for production by then, every name of them; None
            when nobody had.
        approvals: Their approvals on record, with when, why and in which role (None: no token
            vouched for the name).
        author: Who made the version, and `run_id` the run that registered it.
        event_timestamp: The moment that the prediction is about.
        unit_id: What it is about, as the caller named it.
        given: Features that came with the request, by the model's input column.
        lake_snapshot: The snapshot that the training set was read at.
    """

    prediction_id: str
    prediction: float
    probabilities: Mapping[str, float]
    model: str
    version: int
    variant: str
    bucket: int | None
    revision: int | None
    flags: Mapping[str, str]
    client: str | None
    trace_id: str | None
    stream: str | None
    stage: str | None
    approver: str | None
    approvals: Sequence[Approval]
    author: str
    run_id: str
    artifact_digest: str
    bento: str
    training_set_digest: str | None
    lake_snapshot: int | None
    code_commit: str | None
    code_dirty: bool | None
    served_at: datetime
    event_timestamp: datetime
    latency_ms: float
    unit_id: str | None
    entities: Mapping[str, Scalar]
    context: Mapping[str, Scalar]
    views: Sequence[ViewRead]
    computed: Sequence[Computed]
    given: Mapping[str, Scalar]


def explain(
    prediction_id: str, lake: Lake, registry: RegistryReader, journal: Path | None = None
) -> Explanation:
    """Everything that determined a prediction, from its id.

    Args:
        prediction_id: As in the service's answer.
        lake: Where predictions and partition versions are.
        registry: Where the version's history is.
        journal: Folder that is searched for a prediction that the lake lacks.

    Raises:
        LookupError: The prediction is unknown, waits in the journal, or was made by another
            artefact than the registry knows under that version.
    """
    with lake.connect() as connection:
        found = _prediction(connection, prediction_id)
        if found is None:
            raise _not_in_lake(prediction_id, journal)
        version = registry.version(found["model"], found["version"])
        _require_same_artefact(found, version)
        sources: Mapping[str, str] = version.lineage.get("on_demand", {})
        views = views_read(connection, found, sources)
    served_at = _utc(found["served_at"])
    lineage = version.lineage
    return Explanation(
        prediction_id=prediction_id,
        prediction=found["prediction"],
        probabilities=json.loads(found.get("probabilities") or "{}"),
        model=version.model,
        version=version.number,
        variant=found["variant"],
        # None in a table that no journal of today was taken into.
        bucket=found.get("bucket"),
        revision=found.get("revision"),
        flags=json.loads(found.get("flags") or "{}"),
        client=found.get("client"),
        trace_id=found.get("trace_id"),
        stream=found.get("stream"),
        stage=registry.stage_at(version.model, version.number, served_at),
        approver=registry.approver_of(version.model, version.number, served_at),
        approvals=registry.approvals_of(version.model, version.number, served_at),
        author=version.author,
        run_id=version.run_id,
        artifact_digest=version.artifact_digest,
        bento=found["bento"],
        training_set_digest=lineage.get("training_set_digest"),
        lake_snapshot=lineage.get("lake_snapshot"),
        code_commit=lineage.get("code_commit"),
        code_dirty=lineage.get("code_dirty"),
        served_at=served_at,
        event_timestamp=_utc(found["event_timestamp"]),
        latency_ms=found["latency_ms"],
        unit_id=found["unit_id"],
        entities=json.loads(found["entities"]),
        context=json.loads(found["context"]),
        views=views,
        computed=computed_values(found, sources),
        given=given_values(found, sources),
    )


def _prediction(connection: duckdb.DuckDBPyConnection, prediction_id: str) -> dict[str, Any] | None:
    """The lake's row of a prediction, whichever model made it."""
    tables = prediction_tables(connection)
    if not tables:
        return None
    rows = " union all by name ".join(
        f"select * from {name} where prediction_id = $1" for name in tables
    )
    found = connection.execute(rows, [prediction_id]).to_arrow_table().to_pylist()
    return found[0] if found else None


def _require_same_artefact(prediction: Mapping[str, Any], version: Version) -> None:
    if prediction["artifact_digest"] != version.artifact_digest:
        raise LookupError(
            f"prediction {prediction['prediction_id']} was made by artefact "
            f"{prediction['artifact_digest']}, but {version.model} version {version.number} is "
            f"{version.artifact_digest}; point MLPLAT_REGISTRY_URL to the registry of that time"
        )


def _not_in_lake(prediction_id: str, journal: Path | None) -> LookupError:
    waiting = None if journal is None else _in_journal(prediction_id, journal)
    if waiting is None:
        return LookupError(
            f"no prediction {prediction_id!r} in the lake{f' or in {journal}' if journal else ''}; "
            "take the prediction_id from the service's answer"
        )
    asset = f"predictions/{str(waiting['model']).replace('.', '/')}"
    return LookupError(
        f"prediction {prediction_id} of {waiting['model']} version {waiting['version']}, served at "
        f"{waiting['served_at']}, is in the journal but not in the lake yet; materialise {asset}"
    )


def _in_journal(prediction_id: str, folder: Path) -> dict[str, Any] | None:
    wanted = prediction_id.encode()
    segments = sorted(folder.rglob("*.ndjson"), key=lambda path: path.name, reverse=True)
    for path in segments:
        if path.parent.name.endswith((SHADOWS, FAILURES)):
            continue  # the same id, but of what nobody was answered with
        with path.open("rb") as stream:
            for line in stream:
                # A line without its end was torn by a crash: nobody was answered for it.
                if wanted in line and line.endswith(b"\n"):
                    record: dict[str, Any] = json.loads(line)
                    if record.get("prediction_id") == prediction_id:
                        return record
    return None


def _utc(moment: datetime) -> datetime:
    """A time of the lake, which keeps UTC without a zone."""
    return moment.replace(tzinfo=UTC)
