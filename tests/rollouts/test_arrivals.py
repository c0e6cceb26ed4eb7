"""Units that do not arrive in the shares of their table are found, and others are not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlplat_assets.rollouts.arrivals import Arrivals, arrivals_of
from mlplat_assets.rollouts.first_requests import arrived
from mlplat_assets.rollouts.tables import tables_of, take_in
from resources.registry.rollout_record import RolloutRecord
from tests.resources.registry_cases import MODEL
from tests.rollouts.place import Place, declared, shadowing

BY: dict[str, Any] = {"actor": "dan", "reason": "try"}
SHARES = {7: (9900, 100), 8: (9500, 500), 9: (7500, 2500), 10: (5000, 5000)}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return shadowing(tmp_path)


def taken(place: Place, record: RolloutRecord) -> Arrivals | None:
    tables = tables_of(*declared())
    place.clock.forward(minutes=1)
    take_in(place.lake, place.settings.journal, MODEL, tables)
    return arrived(
        place.lake, tables, record, place.clock.now, lambda n: place.registry.traffic_at(MODEL, n)
    )


def first_broken(kept: float, seed: int, looks: int = 20) -> int | None:
    """Units at the first look that finds the version's lost, of 20 of 500 units at each share."""
    random = np.random.default_rng(seed)
    counts: dict[int, tuple[int, int]] = {}
    for revision, (champion, version) in SHARES.items():
        given = random.binomial(500, version / (champion + version), looks).cumsum()
        for look, units in enumerate(random.binomial(given, kept)):
            counts[revision] = int(500 * (look + 1) - given[look]), int(units)
            if arrivals_of(counts, SHARES).is_broken:
                return sum(map(sum, counts.values()))
    return None


def test_units_in_their_shares_are_seldom_told_broken_over_80_looks() -> None:
    assert sum(first_broken(1.0, seed) is not None for seed in range(300)) <= 3


def test_a_version_that_loses_units_is_found() -> None:
    found = [first_broken(0.8, seed) for seed in range(30)]
    assert all(each is not None for each in found)
    told = arrivals_of({10: (4000, 3200)}, SHARES).told
    assert told.startswith(
        "3,200 of 7,200 units arrive at the version, its share gives it 3,600 (p"
    )


def test_a_unit_counts_once_where_it_came_first_by_the_table_that_routed_it(place: Place) -> None:
    record = place.registry.rollouts.advance(place.record, **BY)
    first = place.registry.traffic(MODEL).revision
    place.serve(1000)
    place.clock.forward(hours=1)
    record = place.registry.rollouts.advance(record, **BY)
    second = place.registry.traffic(MODEL).revision

    def asks(unit: str, version: int, revision: int) -> None:
        variant = "canary" if version == 2 else "champion"
        line = place.prediction(
            0.3, unit_id=unit, version=version, variant=variant, revision=revision
        )
        place._write("", [line | {"prediction_id": f"{unit}-{place.units}"}])

    # All of them were there before the share was raised, and are the version's now.
    for number in range(1, 1001):
        asks(f"unit-{number}", 2, second)
    place.clock.forward(seconds=1)
    asks("late", 1, first)
    asks("early", 1, first - 1)  # by a server that had not looked yet, as a shadow's
    place.clock.forward(seconds=1)
    asks("late", 2, second)
    asks("early", 2, second)
    place._write(".failures", [
        place.failure(unit_id="fails", version=2, variant="canary", revision=second)
    ])  # fmt: skip
    found = taken(place, record)
    assert found is not None and found.champion + found.version == 1002
    assert found.declared == pytest.approx(1001 * 0.1 + 1 * 0.3)
    assert not found.is_broken


def test_testers_by_override_do_not_count(place: Place) -> None:
    record = place.registry.rollouts.advance(place.record, **BY)
    for number in range(1, 60):
        place.registry.set_override(MODEL, f"unit-{number}", "canary", **BY)
    place.serve(300)
    found = taken(place, record)
    assert found is not None and found.champion + found.version == 300 - 59


def test_a_shadow_has_no_arrivals(place: Place) -> None:
    place.serve(100)
    assert taken(place, place.record) is None
