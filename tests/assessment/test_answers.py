"""How far a candidate's answers are from the champion's, as a rollout measures it."""

import numpy as np
import pytest

from mlplat_assets.assessment.answers import AnswersApart, answers_apart
from mlplat_assets.statistics.stability import stability

START = np.datetime64("2013-07-01T00:00:00", "us")


def every(seconds: int, n: int) -> np.ndarray:
    return START + np.arange(n) * np.timedelta64(seconds, "s")


def found(
    candidate: np.ndarray, champion: np.ndarray, times: np.ndarray | None = None
) -> AnswersApart:
    made = answers_apart(candidate, champion, every(18, len(champion)) if times is None else times)
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


def test_the_psi_is_what_a_rollout_measures_at_its_first_look() -> None:
    random = np.random.default_rng(2)
    champion, candidate = random.normal(size=200), random.normal(0.7, 1.2, size=200)
    apart = found(candidate, champion)
    live = stability(champion, candidate, bound=0.5, alpha=0.05)
    assert (live.units, apart.stretches) == (200, 1) and apart.psi.estimate == live.psi
    assert apart.psi.low == apart.psi.high == live.psi


def test_what_differs_from_hour_to_hour_is_within_the_interval() -> None:
    """The candidate is 2 higher in every fourth hour: 0.5 in the mean."""
    random = np.random.default_rng(3)
    champion = random.normal(size=7 * 24 * 200)
    off = 2.0 * (np.arange(len(champion)) // 200 % 4 == 0)
    apart = found(champion + off, champion)
    assert apart.stretches == 7 * 24
    assert apart.shift.low == pytest.approx(0, abs=0.01)
    assert apart.shift.high == pytest.approx(2, abs=0.05) and apart.psi.high > 2


@pytest.mark.parametrize(("seconds", "rows"), [(1, 3600), (18, 200), (60, 200)])
def test_a_stretch_is_an_hour_and_200_rows(seconds: int, rows: int) -> None:
    champion = np.random.default_rng(4).normal(size=5 * rows + 100)
    apart = found(champion, champion, every(seconds, len(champion)))
    assert apart.stretches == 5, "a rest that is shorter is left out"


def test_rows_are_put_in_the_order_of_their_time() -> None:
    random = np.random.default_rng(5)
    champion, times = random.normal(size=2000), every(18, 2000)
    candidate = champion + np.linspace(0, 2, 2000)
    mixed = random.permutation(2000)
    assert found(candidate, champion) == found(candidate[mixed], champion[mixed], times[mixed])


def test_the_champion_itself_is_not_apart() -> None:
    champion = np.random.default_rng(6).beta(2, 5, 2100)
    apart = found(champion, champion)
    for interval in (apart.shift, apart.psi):
        assert (interval.estimate, interval.low, interval.high) == (0, 0, 0)


def test_of_classes_it_is_the_greatest_probability() -> None:
    random = np.random.default_rng(7)
    champion, candidate = random.dirichlet((1, 1, 1), 2100), random.dirichlet((4, 1, 1), 2100)
    whole = found(candidate, champion)
    assert whole == found(candidate.max(axis=1), champion.max(axis=1)) and whole.shift.low > 0


def test_a_champion_that_says_the_same_to_all_gives_no_measure() -> None:
    varied, constant = np.random.default_rng(8).random(2100), np.full(2100, 0.3)
    assert answers_apart(varied, constant, every(18, 2100)) is None
    assert answers_apart(varied[:1], varied[:1], every(18, 1)) is None
