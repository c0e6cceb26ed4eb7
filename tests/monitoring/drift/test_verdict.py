"""Drift: real shifts are found, chance is not, and any content has a verdict."""

import json
from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl
import pytest

from mlplat_assets.monitoring.drift.asset import recorded_profile
from mlplat_assets.monitoring.drift.plot import psi_plot
from mlplat_assets.monitoring.drift.profile import Profile, reference_profile
from mlplat_assets.monitoring.drift.verdict import DriftReport, compare

POLICY = {"psi_floor": 0.25, "quantile": 1.0, "columns": 2, "minimum_rows": 200}
ONE = {**POLICY, "columns": 1}
NAN, INF = float("nan"), float("inf")


def profile_of(frame: pl.DataFrame, predictions: np.ndarray | None = None) -> Profile:
    """The profile of a frame of one day, as it comes back from the card."""
    days = pl.repeat(date(2013, 1, 1), len(frame), eager=True)
    answers = np.zeros(len(frame)) if predictions is None else predictions
    return json.loads(json.dumps(reference_profile(frame, days, answers, quantile=1.0)))


def against(
    reference: Sequence[object], window: Sequence[object], policy: dict[str, float] = ONE
) -> DriftReport:
    """The report on one column; the predictions do not change."""
    profile = profile_of(pl.DataFrame({"x": reference}))
    return compare(pl.DataFrame({"x": window}), np.zeros(len(window)), profile, policy)


def normal(rows: int, mean: float = 0.0, seed: int = 0) -> list[object]:
    """Draws of a normal distribution with deviation 1."""
    return np.random.default_rng(seed).normal(mean, size=rows).tolist()


def test_the_same_distribution_is_ok() -> None:
    report = against(normal(20_000), normal(1_000, seed=1))
    assert (report.verdict, report.drifted, report.rows) == ("OK", (), 1_000)


@pytest.mark.parametrize("outliers", [[], [1e4], [INF, -INF]])
def test_a_shift_of_a_deviation_is_found_with_and_without_outliers(outliers: list[object]) -> None:
    assert against(normal(20_000), normal(999, 1.0, 1) + outliers).drifted == ("x",)
    assert against(normal(20_000) + outliers, normal(999, 1.0, 1)).drifted == ("x",)
    assert against(normal(20_000), normal(999, 0.0, 1) + outliers).verdict == "OK"


def test_psi_and_threshold_are_reported_by_column() -> None:
    column, prediction = against([1.0, 2.0] * 500, [1.0] * 500 + [2.0] * 300 + [None] * 200).columns
    assert column.psi == pytest.approx(0.2 * np.log(0.5 / 0.3) + 0.1999 * np.log(0.2 / 1e-4))
    assert (column.threshold, column.drifted, column.null_share) == (0.25, True, 0.2)
    assert (prediction.name, prediction.psi, prediction.drifted) == ("prediction", 0, False)


def test_a_column_must_exceed_what_single_training_days_had() -> None:
    frame = pl.DataFrame({"season": ["warm"] * 500 + ["cold"] * 500})
    days = pl.Series([date(2013, 7, 1)] * 500 + [date(2013, 1, 1)] * 500)
    profile = reference_profile(frame, days, np.zeros(1_000), quantile=1.0)
    window = frame.head(500)
    column = compare(window, np.zeros(500), profile, ONE).columns[0]
    assert column.psi > 0.25 and not column.drifted
    assert column.threshold == profile["columns"]["season"]["threshold"]


def test_a_window_drifts_when_as_many_columns_do_as_the_policy_says() -> None:
    frame = pl.DataFrame({"a": normal(5_000), "b": normal(5_000), "c": normal(5_000)})
    profile = profile_of(frame)
    one = pl.DataFrame({"a": normal(500, 2.0), "b": normal(500), "c": normal(500)})
    two = one.with_columns(b=pl.col("b") + 2)
    assert compare(one, np.zeros(500), profile, POLICY).verdict == "OK"
    assert compare(one, np.zeros(500), profile, POLICY).drifted == ("a",)
    assert compare(two, np.zeros(500), profile, POLICY).verdict == "DRIFT"


def test_the_predictions_count_as_a_column() -> None:
    profile = profile_of(pl.DataFrame({"a": normal(5_000)}), np.linspace(0, 1, 5_000))
    window = pl.DataFrame({"a": normal(500)})
    report = compare(window, np.full(500, 0.99), profile, ONE)
    assert (report.verdict, report.drifted) == ("DRIFT", ("prediction",))


def test_the_policy_cannot_ask_for_more_columns_than_there_are() -> None:
    profile = profile_of(pl.DataFrame({"a": normal(5_000)}), np.linspace(0, 1, 5_000))
    window = pl.DataFrame({"a": normal(500, 3.0)})
    report = compare(window, np.full(500, 0.99), profile, {**POLICY, "columns": 5})
    assert report.verdict == "DRIFT"


@pytest.mark.parametrize(("rows", "verdict"), [(199, "INCONCLUSIVE"), (200, "DRIFT")])
def test_too_few_rows_are_inconclusive_and_nothing_counts_as_drifted(
    rows: int, verdict: str
) -> None:
    report = against(normal(5_000), normal(rows, 3.0))
    assert report.verdict == verdict
    assert report.drifted == (() if verdict == "INCONCLUSIVE" else ("x",))
    assert report.columns[0].psi > 1


def test_an_empty_window_is_inconclusive() -> None:
    assert against(normal(500), [], {**ONE, "minimum_rows": 0}) == DriftReport(
        verdict="INCONCLUSIVE", rows=0, columns=(), drifted=()
    )


@pytest.mark.parametrize(
    ("reference", "window", "drifted"),
    [
        ([5.0], [5.0], False),
        ([5.0], [6.0], True),
        ([5.0], [4.0], True),
        ([5.0], [None], True),
        ([5.0], [NAN], True),
        ([5.0], [INF], True),
        ([None], [None], False),
        ([None], [5.0], True),
        ([INF], [INF], False),
        ([INF], [5.0], True),
        (["a"], ["a"], False),
        (["a"], ["b"], True),
        (["a"], [None], True),
        ([True], ["true"], False),
        ([True], [False], True),
        ([1.0, 2.0], ["1", "2"], False),
        ([1.0, 2.0], ["x", "y"], True),
    ],
)
def test_any_content_has_a_verdict(
    reference: list[object], window: list[object], drifted: bool
) -> None:
    report = against(reference * 300, window * 300)
    assert report.verdict == ("DRIFT" if drifted else "OK")
    assert all(np.isfinite(column.psi) for column in report.columns)


def test_one_awkward_column_does_not_hide_another() -> None:
    frame = pl.DataFrame({"nulls": [None] * 1_000, "good": normal(1_000)})
    window = pl.DataFrame({"nulls": [None] * 500, "good": normal(500, 2.0)})
    report = compare(window, np.zeros(500), profile_of(frame), ONE)
    assert report.drifted == ("good",)


def test_undrifted_windows_of_25_columns_seldom_raise_an_alarm() -> None:
    random = np.random.default_rng(0)
    texts = np.array([f"v{i}" for i in range(90)])

    def sample(rows: int) -> pl.DataFrame:
        return pl.DataFrame(
            {f"n{i}": random.normal(size=rows) for i in range(20)}
            | {f"c{i}": random.choice(texts, rows) for i in range(5)}
        )

    profile = profile_of(sample(20_000))
    reports = [compare(sample(200), np.zeros(200), profile, ONE) for _ in range(100)]
    assert sum(report.verdict == "DRIFT" for report in reports) <= 6


def test_a_missing_column_and_a_missing_prediction_are_refused() -> None:
    profile = profile_of(pl.DataFrame({"x": normal(500)}))
    with pytest.raises(LookupError, match=r"no column 'x', which the profile has; .*columns are y"):
        compare(pl.DataFrame({"y": [1]}), np.zeros(1), profile, POLICY)
    with pytest.raises(ValueError, match="got 1 rows but 2 predictions"):
        compare(pl.DataFrame({"x": [1]}), np.zeros(2), profile, POLICY)


@pytest.mark.parametrize("window", [normal(500, 3.0), normal(10), []], ids=len)
def test_every_report_has_a_picture(window: list[object]) -> None:
    image = psi_plot(against(normal(500), window), "flights.arrival_delay")
    assert image.startswith(b"\x89PNG\r\n")


def test_a_redacted_column_is_no_part_of_what_is_compared() -> None:
    document = {"columns": {"distance": {}, "carrier": {}}, "prediction": {}, "rows": 3}
    card = {"profile": document, "serving": {"journal": {"redact": ["carrier"]}}}
    assert recorded_profile(card) == {**document, "columns": {"distance": {}}}
    assert recorded_profile({"profile": document}) == document, "of an artefact from before"
