"""Gaps between groups are those of a direct count, and pass by their whole interval only."""

import numpy as np
import polars as pl
import pytest

from mlplat_assets.assessment.fairness import judge_fairness, threshold_of
from mlplat_assets.assessment.verdicts import Verdict
from mlplat_assets.model_spec import Fairness
from mlplat_assets.statistics.intervals import Units, rows


def groups_of(generator: np.random.Generator, rates: list[float], size: int, days: int = 20):
    """Groups that are decided positive at these rates; half of all rows are truly positive."""
    count = size * len(rates)
    names = pl.Series("sex", [f"g{i}" for i in range(len(rates)) for _ in range(size)])
    chosen = generator.random(count) < np.repeat(rates, size)
    units = Units(codes=np.arange(count) % days, count=days, kind="day")
    truth = (np.arange(count) % 2).astype(float)
    return names, truth, np.where(chosen, 0.9, 0.1), units


def test_the_gap_is_the_greatest_difference_of_shares_by_direct_count() -> None:
    generator = np.random.default_rng(0)
    for metric in ("demographic_parity", "equal_opportunity"):
        names, truth, probability, units = groups_of(generator, [0.3, 0.6, 0.45], 500)
        wanted = Fairness(column="sex", metric=metric, threshold=0.5)
        found = judge_fairness(wanted, names, truth, probability, units)
        counts = truth == 1 if metric == "equal_opportunity" else np.ones(1500, bool)
        shares = {
            name: (probability[(names == name).to_numpy() & counts] >= 0.5).mean()
            for name in ("g0", "g1", "g2")
        }
        assert found["gap"] is not None
        assert found["gap"]["estimate"] == pytest.approx(shares["g1"] - shares["g0"])
        assert found["between"] == ["g1", "g0"]
        assert [group["rows"] for group in found["groups"]] == [
            int(((names == name).to_numpy() & counts).sum()) for name in shares
        ]
        for group in found["groups"]:
            share = group["share"]
            assert share["estimate"] == pytest.approx(shares[group["value"]])
            assert share["low"] < share["estimate"] < share["high"]
        assert found["verdict"] is Verdict.FAIL


def test_alike_groups_of_many_rows_pass_and_of_few_are_inconclusive() -> None:
    generator = np.random.default_rng(1)
    wanted = Fairness(column="sex", threshold=0.5, limit=0.1)
    many = judge_fairness(wanted, *groups_of(generator, [0.4, 0.4], 5000))
    assert many["verdict"] is Verdict.PASS and many["passed"]
    few = judge_fairness(wanted, *groups_of(generator, [0.4, 0.4], 250))
    assert few["verdict"] is Verdict.INCONCLUSIVE and not few["passed"]


def test_a_gap_of_just_the_limit_passes_at_most_once_in_forty() -> None:
    generator = np.random.default_rng(2)
    wanted = Fairness(column="sex", threshold=0.5, limit=0.1)
    passed = sum(
        judge_fairness(wanted, *groups_of(generator, [0.3, 0.35, 0.4], 1000))["passed"]
        for _ in range(300)
    )
    assert passed / 300 <= 0.05


def test_alike_groups_fail_at_most_once_in_forty_however_many_there_are() -> None:
    generator = np.random.default_rng(3)
    wanted = Fairness(column="sex", threshold=0.5, limit=0.001)
    failed = sum(
        judge_fairness(wanted, *groups_of(generator, [0.3] * 6, 300))["verdict"] is Verdict.FAIL
        for _ in range(300)
    )
    assert failed / 300 <= 0.05


def test_groups_with_too_few_rows_that_count_are_shown_and_not_judged() -> None:
    generator = np.random.default_rng(4)
    names, truth, probability, _ = groups_of(generator, [0.4, 0.4], 5000)
    names = pl.concat([names, pl.Series("sex", [None] * 150, dtype=pl.String)])
    truth, probability = np.append(truth, np.ones(150)), np.append(probability, np.ones(150))
    wanted = Fairness(column="sex", threshold=0.5)
    found = judge_fairness(wanted, names, truth, probability, rows(len(truth)))
    assert found["groups"][2] == {"value": "missing", "rows": 150, "share": None}
    assert found["verdict"] is Verdict.PASS


def test_one_group_leaves_nothing_to_compare_and_is_no_pass() -> None:
    generator = np.random.default_rng(5)
    wanted = Fairness(column="sex", threshold=0.5)
    found = judge_fairness(wanted, *groups_of(generator, [0.4], 500))
    assert found["verdict"] is Verdict.INCONCLUSIVE and not found["passed"]
    assert found["gap"] is None and "nothing to compare" in found["reason"]


def test_without_a_threshold_as_many_are_decided_positive_as_truly_are() -> None:
    generator = np.random.default_rng(6)
    probability = generator.random(1000) * 0.3
    truth = (generator.random(1000) < probability).astype(float)
    threshold = threshold_of(Fairness(column="x"), truth, probability)
    assert (probability >= threshold).sum() == truth.sum()
    assert threshold_of(Fairness(column="x", threshold=0.5), truth, probability) == 0.5
