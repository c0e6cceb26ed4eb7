"""Guardrails: what is surely worse is found within few units, and what is not is left alone."""

import numpy as np
import pytest

from mlplat_assets.rollout_spec import Guardrails
from mlplat_assets.rollouts import guardrails
from mlplat_assets.rollouts.evidence import Served, Shadowed, of_canary, of_shadow
from mlplat_assets.rollouts.expectation import THE_SAME, Expected, expected_of
from mlplat_assets.rollouts.guardrails import rate
from mlplat_assets.statistics.intervals import Interval
from mlplat_assets.statistics.moments import Moments

LIMITS = Guardrails()
LOOKS, STEP, STEPS = 50, 200, 4


def first_rollback(
    champion: float, version: float, simulations: int, seed: int
) -> list[int | None]:
    """Units per arm at the look that first takes the version back; None if none does.

    All guardrails but PSI are asked, of errors, slow answers, predictions and losses.
    """
    random = np.random.default_rng(seed)
    shape = (simulations, LOOKS)
    failed = [random.binomial(STEP, p, shape).cumsum(1) for p in (champion, version)]
    slow = [random.binomial(STEP, 0.002, shape).cumsum(1) for _ in range(2)]
    means = [random.normal(0.3, 0.2 / np.sqrt(STEP), shape).cumsum(1) for _ in range(2)]
    stops: list[int | None] = []
    for run in range(simulations):
        stop = None
        for look in range(LOOKS):
            n = STEP * (look + 1)
            at = run, look
            arms = [
                Moments(n=n, mean=float(side[at]) / (look + 1), squares=n * 0.2**2)
                for side in means
            ]
            served = Served(
                failed=[(rate(failed[0][at] / n, n), rate(failed[1][at] / n, n))],
                slow=[(rate(slow[0][at] / n, n), rate(slow[1][at] / n, n))],
                predictions=[(arms[0], arms[1])],
                losses=[(arms[0], arms[1])],
            )
            if of_canary(served, LIMITS, STEPS).violated:
                stop = n
                break
        stops.append(stop)
    return stops


def test_a_version_like_the_champion_is_seldom_taken_back_over_50_looks() -> None:
    stops = first_rollback(0.02, 0.02, 400, seed=1)
    assert sum(stop is not None for stop in stops) <= 0.05 * len(stops)


def test_twice_the_errors_are_found_at_1_600_units_an_arm_in_the_median() -> None:
    stops = first_rollback(0.02, 0.04, 400, seed=2)
    found = [stop for stop in stops if stop is not None]
    assert len(found) >= 0.99 * len(stops)
    assert np.median(found) <= 1600


@pytest.mark.parametrize("champion", [1000, 60])
def test_a_version_that_always_fails_is_found_at_once(champion: int) -> None:
    """Neither arm has any spread: what varies is nought."""
    found = guardrails.errors([(rate(0.0, champion), rate(1.0, 40))], LIMITS, 0.05)
    assert found.verdict == "VIOLATED"


def test_one_failure_of_five_is_no_proof() -> None:
    found = guardrails.errors([(rate(0.0, 1000), rate(0.2, 5))], LIMITS, 0.05)
    assert found.verdict == "OK"


def test_slow_answers_are_found_and_slowness_of_both_is_not() -> None:
    slow = guardrails.latency([(rate(0.003, 3000), rate(0.05, 800))], LIMITS, 0.05)
    both = guardrails.latency([(rate(0.05, 3000), rate(0.05, 800))], LIMITS, 0.05)
    assert (slow.verdict, both.verdict) == ("VIOLATED", "OK")


@pytest.mark.parametrize("sign", [1, -1])
def test_predictions_far_off_are_found_in_a_few_hundred_pairs(sign: int) -> None:
    random = np.random.default_rng(4)
    live = random.beta(2, 6, 300)
    shadow = np.clip(live + sign * 0.2 + random.normal(0, 0.02, 300), 0, 1)
    found = of_shadow(
        Shadowed(
            failed=(rate(0, 300), rate(0, 300)),
            differences=Moments.of(shadow - live),
            live_spread=float(live.std()),
            live=live,
            shadow=shadow,
        ),
        LIMITS,
    )
    assert {each.name for each in found.violated} >= {"shift of predictions", "PSI of predictions"}
    assert found.units == 300


def looked_at(off: float, expected: Interval | None, looks: int = 50) -> guardrails.Finding:
    """Shift at the first look that takes a version back, or the last: spread 1, 200 units a look.

    The version is `off` by so much in truth.
    """
    random = np.random.default_rng(8)
    arms = random.normal(size=looks * STEP), random.normal(off, 1, looks * STEP)

    def found(n: int) -> guardrails.Finding:
        legs = [(Moments.of(arms[0][:n]), Moments.of(arms[1][:n]))]
        return guardrails.shift(legs, 1.0, LIMITS, 0.05, expected)

    every = [found(STEP * look) for look in range(1, looks + 1)]
    return next((each for each in every if each.verdict == "VIOLATED"), every[-1])


@pytest.mark.parametrize("sign", [1, -1])
def test_a_version_that_shifts_as_its_evaluation_saw_is_left_alone(sign: int) -> None:
    seen = Interval(estimate=1.3 * sign, low=1.3 * sign - 0.1, high=1.3 * sign + 0.1)
    assert looked_at(1.3 * sign, None).verdict == "VIOLATED"
    assert looked_at(1.3 * sign, seen).verdict == "OK"
    for beyond in (2.4, 0.0):
        assert looked_at(beyond * sign, seen).verdict == "VIOLATED", "more, or not at all"


def test_an_uncertain_expectation_gives_its_margin() -> None:
    sure, unsure = (Interval(estimate=1.0, low=1.0 - by, high=1.0 + by) for by in (0.0, 0.3))
    assert [looked_at(1.7, each).verdict for each in (sure, unsure)] == ["VIOLATED", "OK"]
    assert [looked_at(0.3, each).verdict for each in (sure, unsure)] == ["VIOLATED", "OK"]


def test_at_the_bound_beyond_the_expected_shift_looking_often_costs_nothing() -> None:
    """The truth is at the very bound; 50 looks of 200 simulations, as without an expectation."""
    random = np.random.default_rng(9)
    shape = (200, LOOKS)
    seen, false = Interval(estimate=1.0, low=1.0, high=1.0), 0
    means = [random.normal(at, 1 / np.sqrt(STEP), shape).cumsum(1) for at in (0.0, 1.5)]
    for run in range(shape[0]):
        for look in range(1, LOOKS + 1):
            n = STEP * look
            arms = [Moments(n=n, mean=side[run, look - 1] / look, squares=n) for side in means]
            found = guardrails.shift([(arms[0], arms[1])], 1.0, LIMITS, 0.05, seen)
            if found.verdict == "VIOLATED":
                false += 1
                break
    assert false <= 0.05 * shape[0]


def test_psi_is_held_to_what_is_more_than_expected() -> None:
    random = np.random.default_rng(10)
    champion, version = random.normal(size=6400), random.normal(1.1, 1, size=6400)
    seen = Interval(estimate=1.1, low=1.0, high=1.2)
    found = [
        guardrails.distribution(champion, version + more, LIMITS, 0.05, expected)
        for more, expected in ((0.0, None), (0.0, seen), (1.0, seen))
    ]
    assert [each.verdict for each in found] == ["VIOLATED", "OK", "VIOLATED"]
    assert found[1].estimate == pytest.approx(1.1, abs=0.2)


def test_it_says_what_was_measured_expected_and_allowed() -> None:
    seen = Interval(estimate=1.0, low=0.9, high=1.1)
    told = looked_at(2.5, seen, looks=1).told
    assert told.startswith("shift of predictions: 2.") and told.endswith(
        "], expected 1 [0.9, 1.1], surely beyond 0.5 from there (200 units)"
    )
    assert "expected" not in looked_at(0.0, None, looks=1).told


APART = {
    "shift": {"estimate": 1.5, "low": 1.0, "high": 2.0},
    "psi": {"estimate": 0.8, "low": 0.6, "high": 1.0},
    "champion_spread": 0.2,
}


def test_the_expectation_is_the_evaluation_s_against_this_champion() -> None:
    evidence = {"champion_version": 3, "answers_apart": APART}
    assert expected_of(evidence, 3) == Expected(
        difference=Interval(estimate=1.5 * 0.2, low=0.2, high=0.4),
        psi=Interval(estimate=0.8, low=0.6, high=1.0),
    )
    assert expected_of(evidence, 4) == THE_SAME, "another champion"
    assert expected_of({"champion_version": 3}, 3) == THE_SAME, "from before it was recorded"
    assert expected_of({"champion_version": 3, "answers_apart": None}, 3) == THE_SAME


def test_a_champion_that_says_the_same_to_all_gives_no_measure_of_shift() -> None:
    arms = [(Moments.of(np.full(500, 0.3)), Moments.of(np.full(500, 0.9)))]
    assert guardrails.shift(arms, 0.0, LIMITS, 0.05).verdict == "INCONCLUSIVE"


def test_quality_is_held_to_a_share_of_the_champion_s_loss() -> None:
    def found(worse: float) -> str:
        random = np.random.default_rng(6)
        arms = random.exponential(0.1, 20_000), random.exponential(0.1 * worse, 5_000)
        return guardrails.quality([tuple(map(Moments.of, arms))], LIMITS, 0.05).verdict  # type: ignore[arg-type]

    assert [found(worse) for worse in (1.0, 1.04, 1.5)] == ["OK", "OK", "VIOLATED"]


def test_without_units_nothing_is_known() -> None:
    found = of_canary(Served(failed=(), slow=(), predictions=()), LIMITS, STEPS)
    assert {each.verdict for each in found.findings} == {"INCONCLUSIVE"}
    assert found.units == 0 and found.findings[0].told == "errors: too few units to tell (0)"
