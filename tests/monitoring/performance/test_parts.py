"""Slices and groups of what was served are judged as evaluation judges a holdout."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl

from mlplat_assets.assessment.verdicts import Verdict
from mlplat_assets.catalogue import catalogue
from mlplat_assets.model_spec import Fairness, ModelSpec, Slice
from mlplat_assets.monitoring.performance.checks import claims_of
from mlplat_assets.monitoring.performance.findings import Claim
from mlplat_assets.monitoring.performance.parts import Parts, judged_parts
from mlplat_assets.monitoring.performance.served import series
from tests.monitoring.performance.simulated import FIRST, served
from tests.small_home import MODEL

DAYS = 6
SPEC = replace(
    catalogue().models[MODEL].spec,
    slices=(Slice(column="origin"), Slice(column="hour", edges=(12,))),
    fairness=(Fairness(column="origin", limit=0.2, threshold=0.5, minimum_rows=100),),
)


def judged(raised: float, spec: ModelSpec = SPEC) -> Parts:
    """Parts of days on which one airport's probabilities are higher by so much."""
    rows = served(DAYS, 600).rename({"is_late": "label"})
    origin = np.tile(["EWR", "JFK", "LGA"], len(rows) // 3)
    higher = np.clip(rows["prediction"].to_numpy() + raised * (origin == "EWR"), 0, 1)
    rows = rows.with_columns(
        prediction=pl.Series(higher),
        by_origin=pl.Series(origin),
        by_hour=pl.col("event_timestamp").dt.hour().cast(pl.Float64),
    )
    (found,) = series(rows, FIRST + timedelta(days=DAYS - 1), DAYS)
    return judged_parts(found, spec)


def test_groups_that_are_decided_alike_are_within_the_limit() -> None:
    (finding,) = judged(0.0).findings()
    assert (finding.claim, finding.subject) == (Claim.FAIRNESS, "origin")
    assert finding.verdict is Verdict.PASS and not finding.failed


def test_a_group_that_is_decided_otherwise_is_found_with_its_gap() -> None:
    (finding,) = judged(0.4).findings()
    assert finding.verdict is Verdict.FAIL and finding.failed
    assert finding.value is not None and finding.value.low > 0.2
    assert "EWR" in finding.reason


def test_slices_are_by_value_and_between_edges() -> None:
    found = [(each["column"], each["value"], each["rows"]) for each in judged(0.0).slices]
    assert found[:3] == [("origin", name, DAYS * 200) for name in ("EWR", "JFK", "LGA")]
    assert [name for _, name, _ in found[3:]] == ["below 12", "from 12"]
    assert sum(rows for _, _, rows in found[3:]) == DAYS * 600


def test_fairness_is_a_claim_of_models_that_declare_it() -> None:
    assert Claim.FAIRNESS in claims_of(SPEC)
    assert Claim.FAIRNESS not in claims_of(replace(SPEC, fairness=()))
