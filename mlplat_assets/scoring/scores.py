"""Decisions of the lake, predicted by a version as its service predicts them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from mlplat_assets.features.historical import lake_at, span_of, view_frame
from mlplat_assets.features.point_in_time import point_in_time_join
from mlplat_assets.models.evaluations.served import Served
from mlplat_assets.scoring.question import ENTITIES, UNIT, Days, Question
from resources.lake import Lake

# A batch of 40 features is 16 MB with its views' rows beside it; larger ones are not faster.
BATCH_ROWS = 20_000
# What is written in one transaction, if it is more than a day: a file of the lake for each day
# would make a year's scan ten times slower.
SPAN_ROWS = 100_000
SCHEMA = pa.schema(
    [
        ("version", pa.int64()),
        ("artifact_digest", pa.string()),
        (UNIT, pa.string()),
        ("event_timestamp", pa.timestamp("us")),
        ("entities", pa.string()),
        # Of a multiclass model: the probability of the most probable class.
        ("prediction", pa.float64()),
        ("probabilities", pa.string()),
        ("partition_day", pa.date32()),
        ("lake_snapshot", pa.int64()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Target:
    """The version that scores, and the lake's snapshot that it reads."""

    model: str
    version: int
    artifact_digest: str
    snapshot: int


def spans(days: Days, counts: Mapping[date, int], rows: int = SPAN_ROWS) -> list[Days]:
    """The days in spans of at most so many decisions, or of one day that has more."""
    found: list[Days] = []
    first, held = days.first, 0
    for day in days.days():
        n = counts.get(day, 0)
        if held and held + n > rows:
            found.append(Days(first=first, last=day - timedelta(days=1)))
            first, held = day, 0
        held += n
    return [*found, Days(first=first, last=days.last)]


def scored(
    lake: Lake, served: Served, question: Question, target: Target, days: Days
) -> Iterator[pa.Table]:
    """The scores of the days by time and unit, batch by batch.

    Raises:
        LookupError: The lake lacks a table at the snapshot.
        OnDemandFailed: An on-demand view cannot be computed.
        ValueError: A prediction is no finite number.
    """
    for vectors in full_vectors(lake, question, target, days):
        found = served.predict(pl.DataFrame(vectors))
        _require_finite(found, vectors, target)
        yield _scores(vectors, found, served.classes, target)


def full_vectors(lake: Lake, question: Question, target: Target, days: Days) -> Iterator[pa.Table]:
    """The decisions of the days with every stored feature, `<view>__<feature>`, as known then."""
    # Two connections: one streams the decisions, the other reads views meanwhile.
    with lake_at(lake, target.snapshot) as at, lake_at(lake, target.snapshot) as joined_at:
        for decisions in question.decisions(at, days, BATCH_ROWS):
            span = span_of(decisions, "event_timestamp")
            views = [view_frame(joined_at, view, names, span) for view, names in question.views]
            yield point_in_time_join(decisions, views, full_feature_names=True)


def _require_finite(found: np.ndarray, decisions: pa.Table, target: Target) -> None:
    finite = np.isfinite(found).reshape(len(found), -1).all(axis=1)
    if not finite.all():
        at = int(np.flatnonzero(~finite)[0])
        raise ValueError(
            f"{target.model} version {target.version} predicts {found[at]} for "
            f"{decisions[UNIT][at]} at {decisions['event_timestamp'][at]}; see its inputs"
        )


def _scores(
    decisions: pa.Table, found: np.ndarray, classes: tuple[str, ...], target: Target
) -> pa.Table:
    rows = decisions.num_rows
    probabilities = pa.nulls(rows, pa.string())
    if classes:
        texts = [
            msgspec.json.encode(dict(zip(classes, row, strict=True))) for row in found.tolist()
        ]
        probabilities, found = pa.array(texts, pa.string()), found.max(axis=1)
    moments = decisions["event_timestamp"].cast(pa.timestamp("us"))
    return pa.table(
        [
            pa.repeat(target.version, rows),
            pa.repeat(target.artifact_digest, rows),
            pc.cast(decisions[UNIT], pa.string()),
            moments,
            decisions[ENTITIES],
            found.astype(np.float64),
            probabilities,
            moments.cast(pa.date32()),
            pa.repeat(target.snapshot, rows),
        ],
        schema=SCHEMA,
    )
