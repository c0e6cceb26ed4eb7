"""Intervals agree with their formulas, and fewer days mean wider ones."""

import math
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, t

from mlplat_assets.statistics.intervals import (
    MINIMUM_DAYS,
    Units,
    around,
    days_of,
    rows,
    spread,
    wilson,
)

DAY = date(2013, 11, 24)


@given(st.integers(5, 2000), st.data())
def test_a_share_of_independent_rows_has_wilsons_interval(size: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, size))
    share = hits / size
    error = math.sqrt(share * (1 - share) / size)
    found = wilson(share, error, size, units=10**9)
    exact = binomtest(hits, size).proportion_ci(method="wilson")
    assert found.low == pytest.approx(exact.low, abs=1e-6)
    assert found.high == pytest.approx(exact.high, abs=1e-6)


def test_a_share_whose_days_differ_is_worth_fewer_rows() -> None:
    alone, together = wilson(0.3, 0.0145, 1000, 1000), wilson(0.3, 0.05, 1000, 21)
    assert together.high - together.low > 3 * (alone.high - alone.low)
    assert wilson(1.0, 0.0, 50, 50).low < 0.95 < wilson(1.0, 0.0, 50, 50).high == 1
    unknown = wilson(0.4, math.inf, 50, 1)
    assert (unknown.low, unknown.high) == (0, 1)


def test_the_error_that_resampled_days_show_is_that_of_their_mean() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=12)
    units = Units(codes=np.arange(12), count=12, kind="day")
    draws = np.concatenate(list(units.resamples(1, 8000)))
    error = spread(draws @ values / 12, 12)
    assert error == pytest.approx(values.std(ddof=1) / math.sqrt(12), rel=0.03)


def test_resamples_draw_as_many_units_as_there_are_and_repeat_by_seed() -> None:
    units = rows(3000)
    blocks = list(units.resamples(5, 400))
    assert sum(map(len, blocks)) == 400 and len(blocks) > 1
    assert all((block.sum(axis=1) == 3000).all() for block in blocks)
    np.testing.assert_array_equal(blocks[0], next(units.resamples(5, 400)))


def test_a_few_days_are_too_few_and_rows_stand_in() -> None:
    days = [DAY + timedelta(days=i % MINIMUM_DAYS) for i in range(40)]
    found = days_of(days)
    assert (found.kind, found.count) == ("day", MINIMUM_DAYS)
    fewer = days_of([day for day in days if day > DAY])
    assert (fewer.kind, fewer.count) == ("row", 32)


def test_units_of_some_rows_are_the_days_among_them() -> None:
    found = days_of([DAY + timedelta(days=i) for i in (4, 4, 2, 3, 1, 0)])
    part = found.within(np.array([True, False, True, True, False, False]))
    assert part.count == 3
    np.testing.assert_array_equal(part.codes, [2, 0, 1])
    assert rows(6).within(np.array([True, True, False, False, False, False])).count == 2


def test_an_interval_has_students_reach_and_keeps_within_bounds() -> None:
    found = around(0.5, 0.01, 21, (0, 1))
    assert found.high == pytest.approx(0.5 + t.ppf(0.975, 20) * 0.01)
    assert around(0.99, 0.1, 21, (0, 1)).high == 1
    assert around(0.4, math.inf, 1, (0, 1)).json() == {"estimate": 0.4, "low": 0, "high": 1}
    assert around(0.4, 0.0, 1, (0, 1)).json() == {"estimate": 0.4, "low": 0.4, "high": 0.4}
