"""How far a candidate's answers are from the champion's, as a rollout measures it."""

import numpy as np
import pytest

from mlplat_assets.assessment.answers import AnswersApart, answers_apart
from mlplat_assets.statistics.intervals import Units, rows
from mlplat_assets.statistics.stability import stability

DAYS = 21


def days(n: int) -> Units:
    return Units(codes=np.arange(n) % DAYS, count=DAYS, kind="day")


def found(candidate: np.ndarray, champion: np.ndarray, units: Units | None = None) -> AnswersApart:
    made = answers_apart(candidate, champion, units or days(len(champion)), seed=1)
    assert made is not None
    return made


@pytest.mark.parametrize("sign", [1, -1])
def test_the_shift_is_signed_and_in_the_champion_s_spread(sign: int) -> None:
    random = np.random.default_rng(1)
    champion = random.normal(3.0, 0.2, 4200)
    apart = found(champion + sign * 0.3 + random.normal(0, 0.05, 4200), champion)
    assert apart.shift.estimate == pytest.approx(sign * 1.5, abs=0.05)
    assert apart.shift.low < apart.shift.estimate < apart.shift.high
    assert apart.champion_spread == pytest.approx(0.2, abs=0.01)


def test_the_psi_is_what_a_rollout_measures_of_the_same_answers() -> None:
    random = np.random.default_rng(2)
    champion, candidate = random.normal(size=3200), random.normal(0.7, 1.2, size=3200)
    apart = found(candidate, champion)
    live = stability(champion, candidate, bound=0.5, alpha=0.05)
    assert live.units == 3200 and apart.psi.estimate == pytest.approx(live.psi)
    assert 0 < apart.psi.low < apart.psi.estimate < apart.psi.high < 1.2 * apart.psi.estimate


def test_days_that_differ_make_the_interval_wide() -> None:
    random = np.random.default_rng(3)
    champion = random.normal(size=4200)
    of_day = random.normal(1.0, 0.5, DAYS)[np.arange(4200) % DAYS]
    by_day, by_row = (
        found(champion + of_day, champion, units) for units in (days(4200), rows(4200))
    )
    assert by_day.shift.estimate == pytest.approx(by_row.shift.estimate)
    width = by_day.shift.high - by_day.shift.low
    # Student's 2.09 of 20 degrees, twice, of 0.5 over the root of 21 days.
    assert width == pytest.approx(2 * 2.09 * 0.5 / DAYS**0.5, rel=0.35)
    assert width > 4 * (by_row.shift.high - by_row.shift.low)


def test_the_champion_itself_is_not_apart() -> None:
    champion = np.random.default_rng(4).beta(2, 5, 2100)
    apart = found(champion, champion)
    for interval in (apart.shift, apart.psi):
        assert (interval.estimate, interval.low, interval.high) == (0, 0, 0)


def test_of_classes_it_is_the_greatest_probability() -> None:
    random = np.random.default_rng(5)
    champion, candidate = random.dirichlet((1, 1, 1), 2100), random.dirichlet((4, 1, 1), 2100)
    whole = found(candidate, champion)
    assert whole == found(candidate.max(axis=1), champion.max(axis=1)) and whole.shift.low > 0


def test_a_champion_that_says_the_same_to_all_gives_no_measure() -> None:
    varied = np.random.default_rng(6).random(2100)
    assert answers_apart(varied, np.full(2100, 0.3), days(2100), seed=1) is None
    assert answers_apart(varied[:1], varied[:1], rows(1), seed=1) is None
