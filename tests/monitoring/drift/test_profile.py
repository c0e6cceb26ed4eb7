"""The reference profile: bins, shares, thresholds, and columns of every awkward kind."""

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from mlplat_assets.monitoring.drift.bins import (
    CategoricalProfile,
    ColumnProfile,
    NumericProfile,
    coarse,
    shares,
)
from mlplat_assets.monitoring.drift.profile import Profile, reference_profile
from mlplat_assets.statistics.distances import psi
from resources.digests import canonical_json
from tests.monitoring.drift.counted import counted

NAN, INF = float("nan"), float("inf")


def profile_of(values: Sequence[object], dtype: pl.DataType | None = None) -> ColumnProfile:
    """The profile of one column whose rows are all of one day."""
    return whole(pl.Series("x", values, dtype=dtype, strict=False))["columns"]["x"]


def whole(*columns: pl.Series, days: pl.Series | None = None, **options: float) -> Profile:
    """The profile of columns, by default all of one day, with predictions of zero."""
    frame = pl.DataFrame(columns)
    days = pl.repeat(date(2013, 1, 1), len(frame), eager=True) if days is None else days
    options = {"quantile": 1.0, **options}
    return reference_profile(frame, days, np.zeros(len(frame)), **options)  # type: ignore[arg-type]


def numeric(values: Sequence[object]) -> NumericProfile:
    """The profile of one numeric column."""
    profile = profile_of(values, pl.Float64())
    assert profile["kind"] == "numeric"
    return profile


def categorical(values: Sequence[object]) -> CategoricalProfile:
    """The profile of one column of texts."""
    profile = profile_of(values, pl.String())
    assert profile["kind"] == "categorical"
    return profile


def bin_numbers(values: pl.Series, profile: ColumnProfile) -> list[int]:
    """The coarse bin of each value; the last one is null."""
    rows = [pl.DataFrame({"x": values.slice(i, 1)}) for i in range(len(values))]
    found = [counted(row, {"x": profile}).columns["x"] for row in rows]
    return [int(np.argmax([*coarse(profile, one.counts), one.nulls])) for one in found]


def test_a_numeric_column_is_cut_into_ten_equal_shares() -> None:
    profile = numeric(list(range(1, 101)))
    assert profile["edges"] == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert profile["shares"] == [0.1] * 10
    assert (profile["minimum"], profile["maximum"], profile["null_share"]) == (1, 100, 0)


def test_null_and_nan_are_one_share_and_all_shares_add_up_to_one() -> None:
    profile = numeric([1.0, 2.0, None, NAN])
    assert profile["null_share"] == 0.5
    assert sum(shares(profile)) == pytest.approx(1)


def test_repeated_values_give_fewer_edges_and_a_bin_below_the_least() -> None:
    profile = numeric([0.0] * 60 + list(range(1, 41)))
    below, zero, *_ = profile["edges"]
    assert zero == 0 and below < 0
    assert profile["shares"][:2] == [0.0, 0.6]
    assert bin_numbers(pl.Series([-1.0, 0.0, 0.5]), profile) == [0, 1, 2]


def test_percentiles_are_kept_beside_the_deciles_with_their_counts() -> None:
    profile = numeric(list(range(1, 2_001)))
    assert "fine" in profile
    fine = profile["fine"]
    assert (fine["edges"][0], fine["edges"][1], fine["edges"][-1]) == (2, 20, 1_998)
    assert len(fine["edges"]) == 101 and set(profile["edges"]) <= set(fine["edges"])
    assert sum(fine["counts"]) == 2_000 and not fine["steps"]
    assert fine["mean"] == pytest.approx(1_000.5)


def test_a_constant_column_tells_lower_equal_and_higher_apart() -> None:
    profile = numeric([5.0] * 10)
    assert shares(profile).tolist() == [0, 1, 0, 0]
    assert bin_numbers(pl.Series([4.0, 5.0, 6.0, None]), profile) == [0, 1, 2, 3]


def test_infinite_values_fall_into_the_outermost_bins_and_leave_the_range_finite() -> None:
    profile = numeric([-INF, *range(100), INF])
    assert (profile["minimum"], profile["maximum"]) == (0, 99)
    assert bin_numbers(pl.Series([-INF, INF]), profile) == [0, 9]


def test_a_column_of_infinities_has_a_bin_for_finite_values() -> None:
    profile = numeric([INF, -INF])
    assert profile["minimum"] is None
    assert bin_numbers(pl.Series([-INF, 0.0, INF]), profile) == [0, 1, 2]


@pytest.mark.parametrize("dtype", [pl.Float64(), pl.Null(), pl.String()], ids=str)
def test_a_column_of_nulls_has_all_its_share_there(dtype: pl.DataType) -> None:
    profile = profile_of([None, None], dtype)
    assert profile["null_share"] == 1
    assert sum(shares(profile)[:-1]) == 0


def test_every_profile_is_json_that_comes_back_the_same() -> None:
    for values in ([5.0], [None], [NAN, INF], [-1.7976931348623157e308] * 3, [0.1, 1 / 3]):
        canonical_json(dict(numeric(list(values))))
    canonical_json(dict(categorical(["é", None])))


def test_categories_keep_their_shares_most_frequent_first() -> None:
    profile = categorical(["b", "a", "b", None])
    assert list(profile["categories"].items()) == [("b", 0.5), ("a", 0.25)]
    assert profile["null_share"] == 0.25


def test_rare_categories_share_bins_and_unseen_and_null_have_their_own() -> None:
    names = ["a"] * 500 + ["b"] * 480 + ["c", "d"] * 5 + ["e"] * 4 + ["f"] * 6
    profile = categorical(names * 2)
    assert shares(profile) == pytest.approx([0.5, 0.48, 0.02, 0, 0])
    values = pl.Series(["a", "b", "c", "f", "never", None])
    assert bin_numbers(values, profile) == [0, 1, 2, 2, 3, 4]


def test_many_equal_categories_make_bins_of_a_twentieth_whatever_their_order() -> None:
    profile = categorical([f"v{i:03}" for i in range(200)])
    assert shares(profile) == pytest.approx([0.05] * 20 + [0, 0])
    profile["categories"] = dict(reversed(profile["categories"].items()))
    assert bin_numbers(pl.Series(["v000", "v009", "v010"]), profile) == [0, 0, 1]


def test_booleans_are_the_categories_true_and_false() -> None:
    profile = profile_of([True, False, True, None], pl.Boolean())
    assert profile["kind"] == "categorical"
    assert profile["categories"] == {"true": 0.5, "false": 0.25}
    assert bin_numbers(pl.Series([False, True]), profile) == [0, 1]


def test_a_column_may_have_any_name() -> None:
    assert set(whole(pl.Series("rows", ["a"]), pl.Series("count", [1]))["columns"]) == {
        "rows",
        "count",
    }


def test_values_of_another_type_are_converted_or_null() -> None:
    assert bin_numbers(pl.Series(["7", "x"]), numeric([5.0] * 3)) == [2, 3]
    assert bin_numbers(pl.Series([1, 2]), categorical(["1"])) == [0, 1]


def test_psi_is_what_the_formula_gives() -> None:
    assert psi([0.5, 0.5], [0.5, 0.5]) == 0
    assert psi([0.5, 0.5], [0.8, 0.2]) == pytest.approx(0.3 * np.log(1.6) - 0.3 * np.log(0.4))
    assert psi([1.0, 0.0], [0.9, 0.1]) == pytest.approx(
        -0.1 * np.log(0.9) + (0.1 - 1e-4) * np.log(0.1 / 1e-4)
    )


def days_of(*sizes: int) -> pl.Series:
    """Consecutive days of so many rows each."""
    first = date(2013, 1, 1)
    return pl.Series([first + timedelta(days=i) for i, n in enumerate(sizes) for _ in range(n)])


def test_the_threshold_is_the_quantile_of_what_single_days_had() -> None:
    column = pl.Series("x", ["a"] * 300 + ["b"] * 100 + ["a"] * 200 + ["b"] * 200)
    days = days_of(400, 400)
    by_day = [psi([5 / 8, 3 / 8], [3 / 4, 1 / 4]), psi([5 / 8, 3 / 8], [1 / 2, 1 / 2])]
    for quantile, expected in ((1.0, max(by_day)), (0.0, min(by_day)), (0.5, np.mean(by_day))):
        profile = whole(column, days=days, quantile=quantile)["columns"]["x"]
        assert profile["threshold"] == pytest.approx(expected)


def test_a_day_of_few_rows_does_not_raise_the_threshold() -> None:
    column = pl.Series("x", [*range(300), *range(300), 9999])
    days = days_of(300, 300, 1)
    assert whole(column, days=days)["columns"]["x"]["threshold"] < 0.01
    assert whole(column, days=days, minimum_rows=1)["columns"]["x"]["threshold"] > 1
    assert whole(column, days=days, minimum_rows=1000)["columns"]["x"]["threshold"] == 0


def test_predictions_are_profiled_as_a_numeric_column() -> None:
    column = pl.Series("x", range(100))
    answers = np.linspace(0, 1, 100, dtype=np.float32)
    days = pl.repeat(date(2013, 1, 1), 100, eager=True)
    profile = reference_profile(column.to_frame(), days, answers, quantile=1.0)
    assert profile["rows"] == 100
    assert profile["prediction"]["shares"] == [0.1] * 10


@pytest.mark.parametrize(
    ("column", "error", "message"),
    [
        (pl.Series("x", []), ValueError, "at least one training row"),
        (pl.Series("prediction", [1]), ValueError, "may not be named 'prediction'"),
        (pl.Series("x", [date(2013, 1, 1)]), TypeError, "column 'x' is Date"),
    ],
)
def test_what_cannot_be_profiled_is_refused(
    column: pl.Series, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        whole(column)


def test_days_and_predictions_must_be_as_many_as_rows() -> None:
    with pytest.raises(ValueError, match="got 1 rows, 2 days and 1 predictions"):
        whole(pl.Series("x", [1]), days=days_of(2))
