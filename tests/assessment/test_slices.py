"""Slices hold every row once, are measured alone, and the small ones are never judged."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlplat_assets.assessment.slices import judge_slices, parts_of
from mlplat_assets.assessment.verdicts import Verdict
from mlplat_assets.metrics import score
from mlplat_assets.model_spec import Slice
from mlplat_assets.statistics.intervals import Units, rows

GENERATOR = np.random.default_rng(0)
SIZE = 3000
DAYS = Units(codes=np.arange(SIZE) % 21, count=21, kind="day")
PROBABILITY = GENERATOR.random(SIZE)
TRUTH = (GENERATOR.random(SIZE) < PROBABILITY).astype(float)
ORIGIN = pl.Series("origin", ["EWR", "JFK", "LGA"])[(GENERATOR.random(SIZE) * 3).astype(int)]


@given(st.lists(st.sampled_from(["a", "b", None]), min_size=1, max_size=30))
def test_every_row_is_in_one_slice_by_value(values: list[str | None]) -> None:
    parts = dict(parts_of(Slice(column="x"), pl.Series("x", values, dtype=pl.String)))
    times = np.sum([part.to_numpy() for part in parts.values()], axis=0)
    assert (times == 1).all()
    for name, part in parts.items():
        expected = [value == (None if name == "missing" else name) for value in values]
        assert part.to_list() == expected


@given(
    st.lists(st.one_of(st.none(), st.floats(allow_infinity=True)), min_size=1, max_size=30),
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=4, unique=True),
)
def test_every_row_is_in_one_slice_by_edges(values: list[float | None], edges: list[float]) -> None:
    ends = sorted(edges)
    wanted = Slice(column="x", edges=tuple(ends))
    parts = list(parts_of(wanted, pl.Series("x", values, dtype=pl.Float64)))
    for row, value in enumerate(values):
        inside = [place for place, (_, part) in enumerate(parts) if part[row]]
        if value is None or np.isnan(value):
            assert [parts[place][0] for place in inside] == ["missing"]
        else:
            assert inside == [sum(value >= end for end in ends)]


def test_slices_by_edges_are_named_by_them() -> None:
    wanted = Slice(column="hour", edges=(10, 16))
    names = [name for name, _ in parts_of(wanted, pl.Series("hour", [3, 12, 20]))]
    assert names == ["below 10", "10 to below 16", "from 16"]


def test_a_number_without_edges_is_refused_and_a_text_with_them_too() -> None:
    with pytest.raises(ValueError, match="a number needs edges"):
        list(parts_of(Slice(column="x"), pl.Series("x", [1.0])))
    with pytest.raises(ValueError, match="nothing else has any"):
        list(parts_of(Slice(column="x", edges=(1,)), pl.Series("x", ["a"])))


def test_a_slice_is_measured_on_its_rows_alone() -> None:
    found = judge_slices(
        Slice(column="origin"), "binary", "auc", ORIGIN, TRUTH,
        {"candidate": PROBABILITY, "champion": PROBABILITY**2}, DAYS, seed=1,
    )  # fmt: skip
    assert [each["value"] for each in found] == ["EWR", "JFK", "LGA"]
    for each in found:
        mask = ORIGIN.is_in([each["value"]]).to_numpy()
        assert each["rows"] == mask.sum()
        expected = score("binary", TRUTH[mask], PROBABILITY[mask])["auc"]
        assert each["metrics"]["candidate"]["estimate"] == pytest.approx(expected)
        # The same order of rows: the same AUC.
        assert each["difference"] is not None
        assert set(each["difference"].values()) == {0}
        assert each["verdict"] is None and each["passed"]


def test_a_guarded_slice_that_lost_ground_fails_though_the_whole_is_level() -> None:
    spoilt = np.where((ORIGIN == "JFK").to_numpy(), GENERATOR.random(SIZE), PROBABILITY)
    found = judge_slices(
        Slice(column="origin", margin=0.05), "binary", "auc", ORIGIN, TRUTH,
        {"candidate": spoilt, "champion": PROBABILITY}, DAYS, seed=1,
    )  # fmt: skip
    assert {each["value"]: each["verdict"] for each in found} == {
        "EWR": Verdict.PASS, "JFK": Verdict.FAIL, "LGA": Verdict.PASS,
    }  # fmt: skip
    jfk = found[1]
    assert not jfk["passed"]
    assert jfk["reason"].startswith("origin JFK: auc differs from champion's by -0.")


def test_a_guarded_slice_of_few_rows_is_inconclusive() -> None:
    few = np.arange(SIZE) < 250
    noisy = PROBABILITY + GENERATOR.normal(size=SIZE) * 0.1
    (found,) = judge_slices(
        Slice(column="x", minimum_rows=200, margin=0.001), "binary", "auc",
        pl.Series("x", ["a"] * 250), TRUTH[few],
        {"candidate": noisy[few], "champion": PROBABILITY[few]}, rows(250), seed=1,
    )  # fmt: skip
    assert found["verdict"] in (Verdict.INCONCLUSIVE, Verdict.FAIL)
    assert not found["passed"]


def test_too_small_and_one_sided_slices_are_told_and_never_judged() -> None:
    column = pl.Series("x", ["big"] * 600 + ["small"] * 199 + ["one"] * 300)
    truth = np.concatenate((TRUTH[:799], np.zeros(300)))
    given = {"candidate": PROBABILITY[:1099], "champion": PROBABILITY[1099:2198]}
    wanted = Slice(column="x", margin=0.0)
    found = {
        each["value"]: each
        for each in judge_slices(wanted, "binary", "auc", column, truth, given, rows(1099), seed=1)
    }
    assert found["small"]["reason"] == "199 rows, fewer than 200: too small to judge"
    assert "all 300 rows have label 0" in found["one"]["reason"]
    for name in ("small", "one"):
        assert (found[name]["verdict"], found[name]["passed"]) == (None, True)
        assert found[name]["metrics"] == {}
    assert found["big"]["metrics"]


def test_regressions_and_classes_have_slices_as_well() -> None:
    truth = GENERATOR.normal(size=SIZE)
    (found, *_) = judge_slices(
        Slice(column="origin", margin=1.0), "regression", "mae", ORIGIN, truth,
        {"candidate": truth + 0.1, "champion": truth - 0.2}, DAYS, seed=1,
    )  # fmt: skip
    assert found["difference"]["estimate"] == pytest.approx(-0.1)  # type: ignore[index]
    assert found["verdict"] is Verdict.PASS
