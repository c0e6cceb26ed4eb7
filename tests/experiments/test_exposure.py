"""Which buckets take part."""

import pytest

from mlplat_assets.experiments.exposure import exposure
from resources.registry.allocation import allocate
from resources.registry.traffic_table import Arm, Traffic
from tests.experiments.journal import a_spec


def table(salt: str = "s", overrides: dict[str, str] | None = None, **shares: int) -> Traffic:
    held = allocate({}, {name: 100 * share for name, share in shares.items()})
    arms = tuple(
        Arm(variant=name, version=place, ranges=held[name])
        for place, name in enumerate(shares, start=2)
    )
    return Traffic(salt=salt, arms=arms, overrides=overrides or {})


def test_an_arm_that_was_raised_has_the_buckets_that_it_had_all_along() -> None:
    """And the control those that it kept, so that no unit and no day counts for both."""
    found = exposure(a_spec(), {1: table(canary=5), 2: table(canary=25)})
    assert found.ranges == {"champion": ((2500, 10_000),), "canary": ((0, 500),)}
    assert found.shares == {"champion": 7500, "canary": 500}
    assert found.is_comparable


def test_revisions_without_every_arm_do_not_count() -> None:
    spec = a_spec(arms=("canary", "blue"))
    tables = {1: table(), 2: table(canary=10), 3: table(canary=10, blue=20), 4: table(blue=20)}
    found = exposure(spec, tables)
    assert found.revisions == (3,)
    assert found.shares == {"champion": 7000, "canary": 1000, "blue": 2000}


def test_an_arm_that_takes_no_part_is_nobodys() -> None:
    found = exposure(a_spec(), {1: table(canary=10, blue=20)})
    assert found.shares == {"champion": 7000, "canary": 1000}


def test_before_every_arm_has_a_share_nothing_is_comparable() -> None:
    found = exposure(a_spec(), {0: table()})
    assert (found.revisions, found.is_comparable, found.faults) == ((), False, ())
    assert not exposure(a_spec(), {}).is_comparable


def test_arms_that_took_each_others_buckets_have_none_left() -> None:
    found = exposure(a_spec(), {1: table(canary=10), 2: table(blue=10, canary=10)})
    assert found.shares["canary"] == 0 and not found.is_comparable


def test_an_arm_that_reaches_into_the_holdout_is_a_fault() -> None:
    kept = exposure(a_spec(holdout=5.0), {1: table(canary=95)})
    assert kept.faults == () and kept.holdout == ((9500, 10_000),)
    broken = exposure(a_spec(holdout=5.0), {1: table(canary=50), 2: table(canary=96)})
    assert broken.faults == ("revision 2 gives 100 buckets of the holdout to an arm",)


def test_another_salt_is_a_fault() -> None:
    (told,) = exposure(a_spec(), {1: table(canary=5), 2: table("t", canary=5)}).faults
    assert "salt changed" in told


@pytest.mark.parametrize("revision", [1, 2])
def test_units_that_a_person_placed_under_any_revision_are_left_out(revision: int) -> None:
    tables = {1: table(canary=5), 2: table(canary=5)}
    tables[revision] = table(overrides={"tester": "canary"}, canary=5)
    assert exposure(a_spec(), tables).overrides == {"tester"}
