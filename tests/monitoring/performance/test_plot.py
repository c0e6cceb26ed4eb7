"""The picture of performance shows how a version's probabilities came true in validation."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from mlplat_assets.model_spec import Gate, ModelSpec
from mlplat_assets.monitoring.performance.account import accounts
from mlplat_assets.monitoring.performance.plot import performance_plot
from tests.monitoring.performance.simulated import FIRST, served

SPEC = ModelSpec(
    task="binary",
    label="simulated.outcome:is_late",
    features=(),
    gates=(Gate(metric="auc"),),
    approvers=(),
)
OLDER = {"metrics": {"auc": 0.74}}
OWN = {"predicted": [0.1, 0.5, 0.8], "observed": [0.05, 0.55, 0.9], "rows": [100] * 3}


def picture(evidence: dict[str, Any]) -> bytes:
    known = pl.col("event_timestamp").alias("labelled_at")
    rows = served(6, 100).rename({"is_late": "label"}).with_columns(known)
    days = (FIRST, FIRST + timedelta(days=5))
    at = datetime(2013, 3, 1, tzinfo=UTC)
    return performance_plot(
        SPEC, accounts(rows, SPEC, days, lambda _: evidence, "none", at), title="served"
    )


def test_the_versions_own_calibration_is_drawn_where_its_evidence_has_one() -> None:
    plain, drawn = picture(OLDER), picture(OLDER | {"calibration": OWN})
    moved = picture(OLDER | {"calibration": OWN | {"observed": [0.1, 0.5, 0.8]}})
    assert plain.startswith(b"\x89PNG")
    assert len({plain, drawn, moved}) == 3


def test_evidence_without_one_is_drawn_as_that_of_an_older_version() -> None:
    assert picture(OLDER | {"calibration": None}) == picture(OLDER)
