"""PSI that is surely beyond a bound, however often one looks."""

import math

import numpy as np

from mlplat_assets.statistics.stability import stability


def test_the_same_spread_is_never_beyond_over_many_looks() -> None:
    random = np.random.default_rng(1)
    false = 0
    for _ in range(150):
        reference, sample = random.normal(size=(2, 6400))
        looks = (stability(reference[:n], sample[:n], bound=0.1, alpha=0.05) for n in SIZES)
        false += any(look.is_beyond for look in looks)
    assert false <= 7


SIZES = range(50, 6401, 350)


def test_another_spread_is_beyond_at_the_first_look() -> None:
    random = np.random.default_rng(2)
    far = stability(random.normal(size=200), random.normal(2, 1, 250), bound=0.5, alpha=0.05)
    assert far.is_beyond and far.units == 200
    constant = stability(random.normal(size=200), np.zeros(200), bound=0.5, alpha=0.05)
    assert constant.is_beyond


def test_below_200_units_it_says_nothing() -> None:
    few = stability(np.zeros(199), np.ones(10_000), bound=0.1, alpha=0.05)
    assert math.isnan(few.psi) and not few.is_beyond


def test_looks_between_doublings_are_the_same_look() -> None:
    random = np.random.default_rng(3)
    reference, sample = random.normal(size=(2, 800))
    found = [stability(reference[:n], sample[:n], bound=0.1, alpha=0.05) for n in (400, 550, 799)]
    assert found[0] == found[1] == found[2]


def test_two_constants_that_are_equal_are_stable_and_others_are_not() -> None:
    ones = np.ones(400)
    assert not stability(ones, ones, bound=0.1, alpha=0.05).is_beyond
    assert stability(ones, np.zeros(400), bound=0.1, alpha=0.05).is_beyond
