"""The asset of an experiment, over a real lake and a real registry."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest
from scipy import stats

from mlplat_assets.experiment_spec import Experiment, Input, Metric, PrePeriod
from mlplat_assets.experiments.analysis import Analysis
from mlplat_assets.experiments.asset import analysis_of, experiment, journal_of
from mlplat_assets.experiments.looks import Look
from tests.experiments.journal import (
    BY,
    FIRST,
    LAST,
    a_spec,
    catalogue_with,
    declared,
    traffic_at,
)
from tests.small_home import MODEL, open_lake, open_registry

EQUAL = {"champion": 0.6, "canary": 0.6}
BETTER = {"champion": 0.8, "canary": 0.4}


def analysis(home: Path, spec: Experiment | None = None, today: Any = None) -> Analysis:
    spec = spec or a_spec()
    return analysis_of(
        declared(spec), catalogue_with(spec), open_lake(home), open_registry(home), today
    )


def last(found: Analysis, role: str = "primary") -> Look:
    return [look for look in found.looks if look.role == role][-1]


def test_a_better_version_ships_and_the_result_names_its_rows(tmp_path: Path) -> None:
    rows = traffic_at(tmp_path).of_days(200, noise=BETTER)
    found = analysis(tmp_path)
    assert (found.judgement.verdict, found.judgement.arm) == ("SHIP", "canary")
    ids = "\n".join(sorted(rows["prediction_id"]))
    assert found.rows.rows == rows.height
    assert found.rows.digest == f"sha256:{sha256(ids.encode()).hexdigest()}"
    assert found.ratio_holds and len(found.ratios) == 14
    arms = {name: part for (name,), part in rows.partition_by("variant", as_dict=True).items()}
    off = {name: part["prediction"] - part["late"] for name, part in arms.items()}
    loss = {name: each.to_numpy() ** 2 for name, each in off.items()}
    effect = last(found).effect
    assert effect.estimate == pytest.approx(loss["canary"].mean() - loss["champion"].mean())
    one_look: Any = stats.ttest_ind(loss["canary"], loss["champion"], equal_var=False)
    assert effect.p_value > one_look.pvalue, "what may be looked at at any time costs something"


def test_every_measure_is_what_numpy_makes_of_the_rows(tmp_path: Path) -> None:
    rows = traffic_at(tmp_path).of_days(100, noise=EQUAL, days=3)
    names = ("squared_error", "absolute_error", "log_loss", "correct", "prediction", "latency_ms")
    wanted = tuple(Metric(measure=name, better="lower") for name in names[1:])
    found = analysis(tmp_path, a_spec(guardrails=(), secondary=wanted))
    p, y = rows["prediction"].to_numpy(), rows["late"].to_numpy()
    given = np.maximum(np.where(y == 1, p, 1 - p), np.finfo(float).eps)
    by_hand = {
        "squared_error": (p - y) ** 2,
        "absolute_error": abs(p - y),
        "log_loss": -np.log(given),
        "correct": (p >= 0.5) == y,
        "prediction": p,
        "latency_ms": rows["latency_ms"].to_numpy(),
    }
    treated = (rows["variant"] == "canary").to_numpy()
    day = found.looks[-1].day
    for look in [look for look in found.looks if look.day == day]:
        of_arm = by_hand[look.metric.measure][treated].astype(float)
        assert look.treated.n == treated.sum()
        assert look.treated.mean == pytest.approx(of_arm.mean())
        assert look.treated.variance == pytest.approx(of_arm.var(ddof=1))


def test_a_unit_counts_once_with_the_mean_of_its_predictions(tmp_path: Path) -> None:
    traffic = traffic_at(tmp_path)
    rows = traffic.of_days(50, noise=EQUAL, days=1)
    again = rows.with_columns(
        prediction_id=pl.col("prediction_id") + "-again", latency_ms=pl.col("latency_ms") + 4
    )
    traffic.write(pl.concat([rows, again]))
    found = analysis(tmp_path)
    guard = last(found, "guardrail")
    assert found.rows.rows == 100 and sum(found.ratios[-1].units.values()) == 50
    canary = rows.filter(pl.col("variant") == "canary")
    assert guard.treated.mean == pytest.approx(canary["latency_ms"].mean() + 2)  # type: ignore[operator]


def test_predictions_without_a_label_are_units_without_a_value(tmp_path: Path) -> None:
    traffic_at(tmp_path).of_days(100, noise=EQUAL, days=2)
    lake = open_lake(tmp_path)
    with lake.write() as connection:
        connection.execute(
            "delete from labels.flights__arrival_delay where partition_day = ?",
            [FIRST + timedelta(days=1)],
        )
    found = analysis(tmp_path)
    assert sum(found.ratios[-1].units.values()) == 200
    assert last(found).control.n + last(found).treated.n == 100
    assert last(found, "guardrail").treated.n > last(found).treated.n


def test_units_that_an_arm_loses_make_it_invalid_and_fail_the_check(tmp_path: Path) -> None:
    traffic_at(tmp_path).of_days(600, noise=BETTER, lost="canary")
    found = analysis(tmp_path)
    assert found.judgement.verdict == "INVALID" and not found.ratio_holds
    assert "find what loses units" in found.judgement.reasons[0]


def swapped(rows: pl.DataFrame) -> pl.DataFrame:
    """The first 20 units of the champion are answered by the canary."""
    wrong = rows.filter(pl.col("variant") == "champion")["unit_id"][:20].to_list()
    return rows.with_columns(
        variant=pl.when(pl.col("unit_id").is_in(wrong)).then(pl.lit("canary")).otherwise("variant")
    )


def promoted(rows: pl.DataFrame) -> pl.DataFrame:
    """Another champion from the second week on."""
    late = (pl.col("partition_day") > FIRST + timedelta(days=6)) & (pl.col("variant") == "champion")
    return rows.with_columns(version=pl.when(late).then(4).otherwise("version"))


def fallen_back(rows: pl.DataFrame) -> pl.DataFrame:
    """The champion answers a tenth of the canary's units."""
    away = (pl.col("variant") == "canary") & (pl.col("bucket") % 10 == 0)
    return rows.with_columns(
        variant=pl.when(away).then(pl.lit("champion")).otherwise("variant"),
        version=pl.when(away).then(1).otherwise("version"),
    )


@pytest.mark.parametrize(
    ("broken", "told", "ratio_holds"),
    [
        (swapped, "routes otherwise: another variant 20", False),
        (promoted, "champion was versions 1 and 4", True),
        (fallen_back, "were answered by another variant than their own", False),
    ],
)
def test_what_was_not_the_declared_comparison_is_invalid(
    tmp_path: Path,
    broken: Callable[[pl.DataFrame], pl.DataFrame],
    told: str,
    ratio_holds: bool,
) -> None:
    traffic = traffic_at(tmp_path)
    traffic.write(broken(traffic.of_days(60, noise=BETTER)))
    found = analysis(tmp_path)
    assert found.judgement.verdict == "INVALID"
    assert any(told in reason for reason in found.judgement.reasons)
    assert found.ratio_holds is ratio_holds


def test_an_arm_that_is_raised_keeps_comparing_like_with_like(tmp_path: Path) -> None:
    """Late days are twice as hard: all the arm's units against all the control's would be worse."""
    traffic = traffic_at(tmp_path, percent=20)
    early = traffic.of_days(200, noise=EQUAL, days=7)
    traffic.registry.set_share(MODEL, 2, 80, **BY)
    hard = {name: noise * 1.6 for name, noise in EQUAL.items()}
    late = traffic.of_days(200, noise=hard, first=FIRST + timedelta(days=7), days=7)
    found = analysis(tmp_path)
    assert found.shares == {"champion": 2000, "canary": 2000}
    # Which of the champion's early units take part is the salt's to say, and that is random.
    assert last(found).effect.p_value > 1e-4 and found.ratios[-1].p_value > 1e-6
    everyone = pl.concat([early, late])
    loss = (everyone["prediction"] - everyone["late"]) ** 2
    treated = everyone["variant"] == "canary"
    naive: Any = stats.ttest_ind(loss.filter(treated), loss.filter(~treated), equal_var=False)
    assert naive.pvalue < 1e-6, "comparing all with all finds what is not there"


def test_a_covariate_of_the_period_before_narrows_the_sequence(tmp_path: Path) -> None:
    traffic = traffic_at(tmp_path)
    rows = traffic.of_days(80, noise=EQUAL, days=5)
    steady = np.random.default_rng(3).normal(20, 5, rows.height)
    during = rows.with_columns(latency_ms=pl.Series(steady) + rows["latency_ms"])
    before = rows.with_columns(
        prediction_id=pl.col("prediction_id") + "-before",
        partition_day=pl.lit(FIRST - timedelta(days=3)),
        latency_ms=pl.Series(steady),
    ).head(350)  # fifty units are new
    traffic.write(pl.concat([before, during]))
    latency = Metric(measure="latency_ms", better="lower")
    plain = a_spec(primary=latency, guardrails=(), secondary=())
    width = [
        last(analysis(tmp_path, spec)).effect
        for spec in (plain, replace(plain, covariate=PrePeriod(days=7)))
    ]
    assert width[1].high - width[1].low < 0.5 * (width[0].high - width[0].low)


def test_a_covariate_of_the_inputs_narrows_it_where_units_come_once(tmp_path: Path) -> None:
    traffic = traffic_at(tmp_path)
    rows = traffic.of_days(80, noise=EQUAL, days=5)
    hour = rows["context"].str.json_path_match("$.local_hour").cast(pl.Float64)
    traffic.write(rows.with_columns(latency_ms=pl.col("latency_ms") + 2 * hour))
    latency = Metric(measure="latency_ms", better="lower")
    plain = a_spec(primary=latency, guardrails=(), secondary=())
    width = [
        last(analysis(tmp_path, spec)).effect
        for spec in (plain, replace(plain, covariate=Input(column="local_hour")))
    ]
    assert width[1].high - width[1].low < 0.2 * (width[0].high - width[0].low)


def test_it_is_over_when_the_labels_of_its_last_day_have_come(tmp_path: Path) -> None:
    traffic_at(tmp_path).of_days(30, noise=EQUAL)
    for days, verdict in ((1, "KEEP RUNNING"), (2, "STOP")):
        assert analysis(tmp_path, today=LAST + timedelta(days=days)).judgement.verdict == verdict


def test_an_experiment_whose_arm_has_no_share_yet_keeps_running(tmp_path: Path) -> None:
    traffic_at(tmp_path).of_days(10, noise=EQUAL, days=1)
    found = analysis(tmp_path, a_spec(arms=("blue",)))
    assert found.judgement.verdict == "KEEP RUNNING" and found.rows.rows == 0


def test_without_predictions_it_says_what_to_materialise(tmp_path: Path) -> None:
    traffic_at(tmp_path)
    with pytest.raises(LookupError, match=r"the lake has no predictions\.flights__arrival_delay"):
        analysis(tmp_path)


def materialised(home: Path, spec: Experiment) -> tuple[dg.ExecuteInProcessResult, Any]:
    asset = experiment(declared(spec), catalogue_with(spec))
    resources = {"lake": open_lake(home), "registry": open_registry(home)}
    done = dg.materialize([asset], resources=resources)
    return done, done.asset_materializations_for_node(asset.node_def.name)[0].metadata


def test_the_asset_writes_its_results_and_shows_them(tmp_path: Path) -> None:
    traffic_at(tmp_path).of_days(100, noise=BETTER)
    done, metadata = materialised(tmp_path, a_spec(thompson=True, holdout=10.0))
    assert metadata["verdict"].value == "SHIP"
    assert "image/png" in metadata["plot"].value and "canary" in metadata["last_look"].value
    shares = metadata["suggested_shares"].value
    assert shares["canary"] > 0.9 and sum(shares.values()) == pytest.approx(1, abs=1e-3)
    (check,) = done.get_asset_check_evaluations()
    assert check.passed and check.check_name == "ratio_is_as_declared"
    lake = open_lake(tmp_path)
    written = pl.DataFrame(lake.read("select * from experiments.flights__second"))
    assert written.height == 14 * 5, "five metrics, one of them against the holdout as well"
    assert set(written["verdict"]) == {"SHIP"}
    assert written["rows_digest"][0] == metadata["prediction_rows_digest"].value
    materialised(tmp_path, a_spec(thompson=True, holdout=10.0))
    again = pl.DataFrame(lake.read("select * from experiments.flights__second"))
    assert again.drop("lake_snapshot").equals(written.drop("lake_snapshot"))


def test_a_result_can_be_read_again_as_of_its_snapshot(tmp_path: Path) -> None:
    traffic = traffic_at(tmp_path)
    rows = traffic.of_days(50, noise=EQUAL, days=2)
    journal = journal_of(declared(a_spec()), catalogue_with(a_spec()), open_lake(tmp_path))
    traffic.write(rows.head(20))
    assert journal.revisions() == [1] and journal.newest_day() == FIRST + timedelta(days=1)
    from mlplat_assets.experiments.exposure import exposure

    exposed = exposure(a_spec(), {1: traffic.registry.traffic_at(MODEL, 1)})
    assert journal.used(exposed).rows == 100
    assert sum(day.units for day in journal.arm_days(exposed)) == 100
