"""The skew audit: logged predictions replayed against the lake, feature by feature, bit by bit.

What a service read online must be what the lake knew at the moment of the prediction. Where it
was not, the reason says what to look at.
"""

import json
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

import polars as pl
import pyarrow as pa

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.features.historical import LakeSnapshot, lake_at, span_of, view_frame
from mlplat_assets.features.point_in_time import point_in_time_join
from mlplat_assets.keys import table
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.references import ModelFeature, resolve_features
from mlplat_assets.spec import DType, FeatureView, Field
from resources.lake import Lake

_EXAMPLES = 3
_CREATED = "audited_created"
_POLARS: Mapping[DType, type[pl.DataType]] = {
    "float": pl.Float64, "float32": pl.Float32, "int": pl.Int64, "bool": pl.Boolean,
    "string": pl.String,
}  # fmt: skip


class Reason(StrEnum):
    """Why a served value may differ from the lake's.

    STALE: the online store held an older row, or none, though the newer one was known: look at the
    sync. LATE_DATA: the lake's row became known after the prediction. REWRITTEN: the row of the
    same time has another value now. GONE: the lake has no row in effect any more. EARLY: a row was
    served that was not in effect yet.
    """

    STALE = "stale"
    LATE_DATA = "late data"
    REWRITTEN = "rewritten"
    GONE = "gone"
    EARLY = "early"


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """One served value beside the lake's, with the event times of their rows; times are UTC."""

    prediction_id: str
    event_timestamp: datetime
    served: object
    served_time: datetime | None
    lake: object
    lake_time: datetime | None
    reason: Reason


@dataclass(frozen=True, kw_only=True)
class FeatureSkew:
    """How often one feature was served exactly as the lake has it."""

    feature: str
    compared: int
    matches: int
    match_rate: float
    reasons: dict[str, int]
    examples: list[Mismatch]


@dataclass(frozen=True, kw_only=True)
class SkewReport:
    """The audit of a model's predictions against one snapshot of the lake."""

    model: str
    predictions: int
    lake_snapshot: int
    features: list[FeatureSkew]

    @property
    def exact(self) -> bool:
        """Whether every value matched."""
        return all(one.matches == one.compared for one in self.features)


def audit(
    lake: Lake,
    model: Declared[ModelSpec],
    catalogue: Catalogue,
    sample: int,
    since: date = date.min,
) -> SkewReport:
    """Replay up to `sample` logged predictions of a model since a UTC day, always the same ones.

    Every feature that is stored is compared in the predictions that logged it; a value matches
    when it has the same type and bits, NaN being null.

    Raises:
        LookupError: No prediction was logged since.
    """
    redacted = set(model.spec.serving.journal.redact)
    features = [
        feature
        for feature in resolve_features(model, catalogue)
        if isinstance(feature, ModelFeature)
        # Whose row it was cannot be told without the key.
        and redacted.isdisjoint(key.name for key in feature.view.spec.entities)
    ]
    with lake_at(lake) as at:
        logged = _logged(at, model, sample, since)
        if not logged:
            raise LookupError(f"{model.full_name} has no logged prediction; serve some first")
        joined = _replayed(at, logged, features)
    return SkewReport(
        model=model.full_name,
        predictions=len(logged),
        lake_snapshot=at.id,
        features=[_compared(feature, logged, joined) for feature in features],
    )


def _logged(
    at: LakeSnapshot, model: Declared[ModelSpec], sample: int, since: date
) -> list[dict[str, Any]]:
    found = at.read(
        f"""select prediction_id, event_timestamp, entities, features, feature_times
            from {at.table(table("predictions", model.team, model.name))}
            where partition_day >= ? order by md5(prediction_id) limit ?""",
        [since, sample],
    ).to_pylist()
    decoded = ("entities", "features", "feature_times")
    return [row | {name: json.loads(row[name]) for name in decoded} for row in found]


def _replayed(
    at: LakeSnapshot, logged: Sequence[Mapping[str, Any]], features: Sequence[ModelFeature]
) -> pl.DataFrame:
    """One row per prediction: `<view>__<feature>`, and each view's row's event and created time."""
    views: dict[str, tuple[Declared[FeatureView], list[str]]] = {}
    for feature in features:
        found = views.setdefault(feature.view.full_name, (feature.view, []))
        found[1].append(feature.feature.name)
    entities = _entity_frame(
        logged, {key.name: key for view, _ in views.values() for key in view.spec.entities}
    )
    span = span_of(entities, "event_timestamp")
    frames = [
        view_frame(at, view, names, span, also={_CREATED: "created_timestamp"})
        for view, names in views.values()
    ]
    joined = point_in_time_join(entities, frames, full_feature_names=True, provenance=True)
    return pl.DataFrame(joined)


def _entity_frame(logged: Sequence[Mapping[str, Any]], keys: Mapping[str, Field]) -> pa.Table:
    columns = {
        name: pl.Series([row["entities"].get(name) for row in logged], dtype=_POLARS[field.dtype])
        for name, field in keys.items()
    }
    moments = pl.Series([row["event_timestamp"] for row in logged], dtype=pl.Datetime("us"))
    return pl.DataFrame({**columns, "event_timestamp": moments}).to_arrow()


def _compared(
    feature: ModelFeature, logged: Sequence[Mapping[str, Any]], joined: pl.DataFrame
) -> FeatureSkew:
    view = feature.view
    rows = zip(
        logged,
        joined[feature.column],
        joined[f"{view.name}__event_timestamp"],
        joined[f"{view.name}__{_CREATED}"],
        strict=True,
    )
    compared, wrong = 0, []
    for row, value, at, created in rows:
        if feature.column not in row["features"]:
            continue  # a version that did not read it
        compared += 1
        served = row["features"][feature.column]
        if not _equal(served, value):
            wrong.append(_mismatch(row, view.full_name, served, value, at, created))
    return FeatureSkew(
        feature=feature.column,
        compared=compared,
        matches=compared - len(wrong),
        match_rate=1 - len(wrong) / compared if compared else 1.0,
        reasons=dict(Counter(one.reason.value for one in wrong)),
        examples=wrong[:_EXAMPLES],
    )


def _mismatch(
    row: Mapping[str, Any],
    view: str,
    served: object,
    value: object,
    lake_time: datetime | None,
    created: datetime | None,
) -> Mismatch:
    logged_time = row["feature_times"].get(view)
    served_time = datetime.fromisoformat(logged_time) if logged_time else None
    moment = row["event_timestamp"].replace(tzinfo=UTC)
    return Mismatch(
        prediction_id=row["prediction_id"],
        event_timestamp=moment,
        served=served,
        served_time=served_time,
        lake=value,
        lake_time=lake_time,
        reason=_reason(moment, served_time, lake_time, created and created.replace(tzinfo=UTC)),
    )


def _reason(
    moment: datetime,
    served_time: datetime | None,
    lake_time: datetime | None,
    created: datetime | None,
) -> Reason:
    if lake_time is None:
        return Reason.GONE
    if served_time == lake_time:
        return Reason.REWRITTEN
    if served_time is not None and served_time > lake_time:
        return Reason.EARLY
    return Reason.LATE_DATA if created is None or created > moment else Reason.STALE


def _equal(served: object, value: object) -> bool:
    """Whether two values are of one type and, to the bit, one value; NaN is null."""
    served, value = _without_nan(served), _without_nan(value)
    if type(served) is not type(value):
        return False
    if isinstance(served, float):
        return struct.pack("<d", served) == struct.pack("<d", value)
    return served == value


def _without_nan(value: object) -> object:
    return None if isinstance(value, float) and value != value else value
