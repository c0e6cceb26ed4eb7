"""Shares as buckets: exact, sticky and one way, against an owner written down per bucket."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.buckets import BUCKETS, bucket_of
from resources.registry.allocation import (
    Ranges,
    SharesExceeded,
    allocate,
    buckets_of_percent,
    size_of,
)

NAMES = st.sampled_from(["canary", "blue", "green", "red"])
SHARES = st.dictionaries(NAMES, st.integers(0, 3000))


def owners(arms: dict[str, Ranges]) -> list[str]:
    """Who has each bucket; fails when two have one."""
    found = ["champion"] * BUCKETS
    for name, ranges in arms.items():
        for start, end in ranges:
            for bucket in range(start, end):
                assert found[bucket] == "champion"
                found[bucket] = name
    return found


def moved(before: list[str], after: list[str]) -> Counter[tuple[str, str]]:
    return Counter((a, b) for a, b in zip(before, after, strict=True) if a != b)


@given(st.lists(SHARES, min_size=1, max_size=6))
def test_whatever_the_changes_shares_are_exact_and_the_fewest_units_move(
    history: list[dict[str, int]],
) -> None:
    arms: dict[str, Ranges] = {}
    for shares in history:
        before, held = owners(arms), {name: size_of(ranges) for name, ranges in arms.items()}
        if sum(shares.values()) > BUCKETS:
            with pytest.raises(SharesExceeded, match="more than 100%"):
                allocate(arms, shares)
            continue
        arms = allocate(arms, shares)
        after = owners(arms)
        counted = Counter(after)
        assert {name: counted[name] for name in shares} == shares
        # The oracle: every growth comes from the champion, every loss goes to it, no more moves.
        wanted = Counter[tuple[str, str]]()
        for name in {*held, *shares}:
            growth = shares.get(name, 0) - held.get(name, 0)
            kept = [b for b in range(BUCKETS) if before[b] == name == after[b]]
            assert len(kept) == min(shares.get(name, 0), held.get(name, 0))
            gone = [b for b in range(BUCKETS) if before[b] == name != after[b]]
            assert not (gone and kept) or min(gone) > max(kept)
            if growth:
                wanted[("champion", name) if growth > 0 else (name, "champion")] = abs(growth)
        # A bucket that one arm gave back and another took at once counts as moved between them.
        found = moved(before, after)
        assert sum(found.values()) <= sum(wanted.values())
        for name in shares:
            if shares[name] >= held.get(name, 0):
                assert not [pair for pair in found if pair[0] == name]


def test_raising_a_canary_moves_no_unit_out_of_it_and_none_of_another_arm() -> None:
    units = [f"unit-{n}" for n in range(20_000)]
    arms = allocate({}, {"canary": 500, "blue": 2000})
    raised = owners(allocate(arms, {"canary": 1000, "blue": 2000}))
    before = owners(arms)
    buckets = [bucket_of("salt", unit) for unit in units]
    assert {raised[b] for b in buckets if before[b] == "canary"} == {"canary"}
    assert {raised[b] for b in buckets if before[b] == "blue"} == {"blue"}
    assert {raised[b] for b in buckets if before[b] == "champion"} == {"champion", "canary"}
    assert sum(raised[b] == "canary" for b in buckets) == pytest.approx(2000, rel=0.1)


@pytest.mark.parametrize(("percent", "buckets"), [(0, 0), (0.01, 1), (5, 500), (33.33, 3333)])
def test_a_percent_is_a_whole_number_of_buckets(percent: float, buckets: int) -> None:
    assert buckets_of_percent(percent) == buckets


@pytest.mark.parametrize("percent", [-1, 100.01, float("nan"), float("inf"), 0.005])
def test_what_is_no_share_is_refused(percent: float) -> None:
    with pytest.raises(ValueError, match=r"^share is .*%; "):
        buckets_of_percent(percent)
