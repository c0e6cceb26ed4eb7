"""What the lake, the checks and people are told of served predictions and their late labels."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest

from mlplat_assets.catalogue import catalogue
from mlplat_assets.monitoring.performance.asset import performance
from resources.dagster_bindings import RESOURCES
from tests.monitoring.performance.simulated import FOUND, materialise, put, served
from tests.small_home import MODEL, open_lake, open_registry, register

DAYS, ROWS = 8, 400


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A registry whose version promises what calibrated predictions of `served` keep."""
    version = register(tmp_path, "first", auc=0.74)
    open_registry(tmp_path).promote(
        MODEL, version.number, actor="carol", approver="dana@flights.example.com", reason="first"
    )
    return tmp_path


def checked(home: Path) -> dict[str, Any]:
    ran = materialise(home, DAYS)
    return {each.check_name: each for each in ran.get_asset_check_evaluations()}


def found(home: Path, part: str) -> pl.DataFrame:
    return pl.DataFrame(open_lake(home).read(f"select * from {FOUND}{part}"))


def test_labels_that_land_are_measured_and_days_without_them_estimated(home: Path) -> None:
    put(open_lake(home), served(DAYS, ROWS), labelled=6)
    checks = checked(home)
    assert {name: each.passed for name, each in checks.items()} == {
        "performs_as_promised": True,
        "no_concept_drift": True,
        "meets_its_objectives": True,
    }
    assert "assumes no concept drift" in str(checks["no_concept_drift"].metadata["estimate"])
    days = found(home, "")
    assert days.height == 6 and days["rows"].to_list() == [ROWS] * 6
    assert set(days["variant"]) == {"champion"}
    auc = found(home, "__metrics").filter(pl.col("metric") == "auc").sort("partition_day", "days")
    assert auc.height == 2 * DAYS
    assert auc["estimated_value"].null_count() == 0
    late = auc.filter((pl.col("days") == 1) & (pl.col("rows") == 0))
    assert late["value"].null_count() == 2 == late.height
    rolled = auc.filter((pl.col("days") == 7) & (pl.col("rows") == 6 * ROWS)).row(0, named=True)
    assert rolled["low"] < rolled["value"] < rolled["high"]
    assert rolled["gap_low"] < 0 < rolled["gap_high"]
    assert rolled["estimated_value"] == pytest.approx(rolled["value"], abs=0.03)
    assert set(auc["estimate_says"]) == {"assumes no concept drift"}


def test_concept_drift_is_found_once_labels_land_and_the_estimate_never_moves(home: Path) -> None:
    rows = served(DAYS, ROWS, truth=lambda p, place: np.where(place < 4, p, 1 - 0.5 * p - 0.25))
    put(open_lake(home), rows, labelled=0)
    before = checked(home)
    assert before["no_concept_drift"].passed
    assert "INCONCLUSIVE" in before["no_concept_drift"].description
    estimated = found(home, "__metrics").filter(pl.col("days") == 1)["estimated_value"]
    put(open_lake(home), rows, labelled=DAYS)
    after = checked(home)
    assert not after["no_concept_drift"].passed
    assert "CONCEPT_DRIFT" in after["no_concept_drift"].description
    assert not after["performs_as_promised"].passed
    again = found(home, "__metrics").filter(pl.col("days") == 1)
    assert sorted(again["estimated_value"].drop_nulls()) == sorted(estimated.drop_nulls())
    told = found(home, "__findings").filter(pl.col("claim") == "no_concept_drift")
    by_day = told.sort("partition_day")["verdict"].to_list()
    assert by_day[0] != "CONCEPT_DRIFT" and by_day[-1] == "CONCEPT_DRIFT"


def test_a_check_tells_of_the_newest_day_whichever_day_was_measured_last(home: Path) -> None:
    rows = served(DAYS, ROWS, truth=lambda p, place: p if place < 4 else 1 - p)
    put(open_lake(home), rows, labelled=DAYS)
    checked(home)
    ran = materialise(home, days=1)
    checks = {each.check_name: each for each in ran.get_asset_check_evaluations()}
    assert not checks["performs_as_promised"].passed


def test_arms_are_measured_apart_and_do_not_judge_the_champion(home: Path) -> None:
    good = served(DAYS, ROWS)
    arm = served(DAYS, ROWS, truth=lambda p, place: 1 - p, seed=1, variant="canary")
    put(open_lake(home), pl.concat([good, arm]), labelled=DAYS)
    assert checked(home)["performs_as_promised"].passed
    days = found(home, "")
    assert days.group_by("variant").len().sort("variant").rows() == [("canary", 8), ("champion", 8)]
    findings = found(home, "__findings").filter(pl.col("claim") == "performs_as_promised")
    failed = findings.filter("failed")
    assert set(failed["variant"]) == {"canary"}


def test_slices_and_calibration_are_in_the_lake(home: Path) -> None:
    put(open_lake(home), served(DAYS, ROWS), labelled=DAYS)
    checked(home)
    newest = pl.col("partition_day") == pl.col("partition_day").max()
    slices = found(home, "__slices").filter(newest)
    origins = slices.filter(pl.col("column") == "origin").sort("part")
    assert origins["part"].to_list() == ["EWR", "JFK", "LGA"]
    assert origins.select((pl.col("low") < pl.col("value")).all()).item()
    bins = found(home, "__calibration").filter(newest)
    assert bins["rows"].sum() == 7 * ROWS
    inside = bins.filter(pl.col("predicted").is_between("low", "high"))
    assert inside.height >= 8, "calibrated predictions lie within their intervals"


def test_slow_answers_break_the_objective(home: Path) -> None:
    put(open_lake(home), served(DAYS, ROWS, latency_ms=20), labelled=0)
    check = checked(home)["meets_its_objectives"]
    assert not check.passed
    assert "slower than 50 ms, of which 1% may be" in check.description


def test_measuring_twice_leaves_the_same_rows_though_the_table_knew_no_variant(home: Path) -> None:
    put(open_lake(home), served(DAYS, ROWS), labelled=4)
    checked(home)
    once = {part: found(home, part) for part in ("", "__metrics", "__findings", "__labels")}
    with open_lake(home).write() as connection:
        connection.execute(f"alter table {FOUND} drop column variant")
    checked(home)
    for part, rows in once.items():
        assert found(home, part).height == rows.height
    assert set(found(home, "")["variant"]) == {"champion"}
    labels = found(home, "__labels").sort("partition_day")
    assert labels["labelled"].to_list() == [ROWS] * 4 + [0] * 4
    assert labels["missing"].to_list() == [0] * 4 + [ROWS] * 4


def test_the_daemon_measures_the_days_whose_labels_may_have_come_each_night() -> None:
    declared = catalogue()
    team = replace(declared.teams["flights"], end_day=None)
    opened = replace(declared, teams={"flights": team})
    asset = performance(opened.models[MODEL], opened)
    night = datetime(2013, 3, 1, 2, tzinfo=UTC)
    assert requested(asset, [night - timedelta(hours=1), night + timedelta(minutes=1)]) == [0, 9]
    ended = performance(declared.models[MODEL], declared)
    assert all(each.automation_condition is None for each in ended.specs)


def requested(asset: dg.AssetsDefinition, moments: list[datetime]) -> list[int]:
    """How many days of the asset each tick asks for."""
    found, cursor = [], None
    with dg.DagsterInstance.ephemeral() as instance:
        for moment in moments:
            ticked = dg.evaluate_automation_conditions(
                dg.Definitions(assets=[asset], resources=RESOURCES),
                instance,
                cursor=cursor,
                evaluation_time=moment,
            )
            cursor = ticked.cursor
            found.append(ticked.get_num_requested(asset.key))
    return found
