"""The sequential ratio check: its algebra, and simulated for how often it is false."""

import itertools
import math

import numpy as np
import pytest

from mlplat_assets.statistics.imbalance import evidence_p_value, log_evidence, ratio_evidence

ALPHA = 0.002


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.05, 0.95), (0.2, 0.3, 0.5)])
def test_the_evidence_is_a_martingale_with_mean_1(shares: tuple[float, ...]) -> None:
    """Over all ways that 8 units can fall, by their probability under the shares: exactly."""
    mean = 0.0
    for fallen in itertools.product(range(len(shares)), repeat=8):
        counts = [fallen.count(arm) for arm in range(len(shares))]
        mean += math.prod(shares[arm] for arm in fallen) * math.exp(log_evidence(counts, shares))
    assert mean == pytest.approx(1.0)


def test_counts_as_declared_are_no_evidence() -> None:
    assert ratio_evidence([5000, 5000], [0.5, 0.5]) == 1.0
    assert ratio_evidence([0, 0], [0.5, 0.5]) == 1.0
    assert ratio_evidence([500, 9500], [0.05, 0.95]) == 1.0


def test_shares_are_relative_to_their_sum() -> None:
    assert ratio_evidence([540, 460], [1, 1]) == pytest.approx(
        ratio_evidence([540, 460], [0.5] * 2)
    )


def test_the_order_of_arms_does_not_matter() -> None:
    one = ratio_evidence([700, 200, 100], [0.6, 0.3, 0.1])
    assert one == pytest.approx(ratio_evidence([100, 700, 200], [0.1, 0.6, 0.3]))
    assert one < ALPHA


def test_a_unit_in_an_arm_of_share_0_is_proof_and_an_empty_one_takes_no_part() -> None:
    assert ratio_evidence([100, 100, 1], [0.5, 0.5, 0.0]) == 0.0
    assert log_evidence([90, 110, 0], [0.5, 0.5, 0.0]) == log_evidence([90, 110], [0.5, 0.5])


def test_stretches_of_other_shares_are_taken_together() -> None:
    """A canary of 5% that was raised to 50% is as declared, though its sum is no share at all."""
    stretches = [log_evidence([50, 950], [0.05, 0.95]), log_evidence([500, 500], [0.5, 0.5])]
    assert evidence_p_value(stretches) == 1.0
    assert ratio_evidence([550, 1450], [0.5, 0.5]) < ALPHA


@pytest.mark.parametrize(
    ("counts", "shares"),
    [([1], [1.0]), ([1, 2], [1.0, 0.0]), ([1, 2, 3], [0.5, 0.5]), ([-1, 2], [0.5, 0.5]),
     ([1, 2], [-0.5, 1.5]), ([1, 2], [math.nan, 0.5])],
)  # fmt: skip
def test_what_is_no_ratio_is_refused(counts: list[int], shares: list[float]) -> None:
    with pytest.raises(ValueError, match="arm"):
        ratio_evidence(counts, shares)


@pytest.mark.parametrize("share", [0.5, 0.05])
def test_50_looks_at_honest_arms_are_false_at_most_2_times_in_1000(share: float) -> None:
    """A chi-square test at 0.1% that is looked at 50 times is false 12.5 times in 1,000."""
    assert np.mean(alarms(share, declared=share, experiments=2000, seed=21)) <= 0.002


def test_48_of_52_is_found_within_20_000_units() -> None:
    assert np.mean(alarms(0.48, declared=0.5, experiments=500, seed=22)) >= 0.9


def alarms(share: float, declared: float, experiments: int, seed: int) -> list[bool]:
    """Whether each experiment alarms at any of 50 looks at 400 more units."""
    drawn = np.random.default_rng(seed).binomial(400, share, (experiments, 50)).cumsum(axis=1)
    units = np.arange(1, 51) * 400
    return [alarmed(hits.tolist(), units.tolist(), declared) for hits in drawn]


def alarmed(hits: list[int], units: list[int], declared: float) -> bool:
    shares = (declared, 1 - declared)
    return any(
        ratio_evidence((hit, n - hit), shares) <= ALPHA for hit, n in zip(hits, units, strict=True)
    )
