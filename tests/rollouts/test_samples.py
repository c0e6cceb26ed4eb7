"""What is measured in the lake is what was served, unit by unit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlplat_assets.rollouts import samples
from mlplat_assets.rollouts.tables import Tables, tables_of, take_in
from tests.resources.registry_cases import MODEL
from tests.rollouts.place import Place, declared, shadowing

BY: dict[str, Any] = {"actor": "dan", "reason": "try"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return shadowing(tmp_path)


@pytest.fixture
def tables() -> Tables:
    return tables_of(*declared())


def taken(place: Place, tables: Tables) -> None:
    place.clock.forward(minutes=1)
    take_in(place.lake, place.settings.journal, MODEL, tables)


def test_legs_are_apart_and_failures_count_as_requests(place: Place, tables: Tables) -> None:
    record = place.record
    for n, failing in ((200, 0.0), (9000, 0.5), (900, 0.0)):
        place.serve(n, failing=failing)
        place.clock.forward(hours=1)
        if record.next_share < 100:
            record = place.registry.rollouts.advance(record, **BY)
    taken(place, tables)
    found = samples.served(place.lake, tables, record, place.clock.now, slower=1.5)
    assert len(found.failed) == 2
    (champion, version), (later_champion, later) = found.failed
    assert champion.n + version.n == 9000 and later_champion.n + later.n == 900
    assert 0.3 < version.mean < 0.7 and (champion.mean, later.mean) == (0, 0)
    # Failed requests have no prediction.
    assert found.predictions[0][1].n == pytest.approx(version.n * (1 - version.mean))
    assert len(found.version) == found.predictions[1][1].n
    assert not any(arm.n for arms in found.losses for arm in arms), "no label landed"


def test_a_unit_that_asks_often_counts_once(place: Place, tables: Tables) -> None:
    record = place.registry.rollouts.advance(place.record, **BY)
    common = {"version": 2, "variant": "canary"}
    for number, value in enumerate((0.2, 0.4, 0.9)):
        line = place.prediction(value, unit_id="often" if number < 2 else "once", **common)
        place._write("", [line | {"prediction_id": str(number)}])
    place._write(".failures", [place.failure(unit_id="often", **common)])
    taken(place, tables)
    found = samples.served(place.lake, tables, record, place.clock.now, slower=1.5)
    ((_, failed),) = found.failed
    ((_, predicted),) = found.predictions
    assert (failed.n, failed.mean) == (2, pytest.approx((1 / 3 + 0) / 2))
    assert (predicted.n, predicted.mean) == (2, pytest.approx((0.3 + 0.9) / 2))
    assert predicted.squares == pytest.approx(2 * np.var([0.3, 0.9]))


def test_a_shadow_is_paired_with_what_was_answered(place: Place, tables: Tables) -> None:
    place.serve(400, off=0.1, failing=0.1)
    place.land_labels()
    taken(place, tables)
    found = samples.shadowed(place.lake, tables, place.record, place.clock.now)
    champion, shadow = found.failed
    assert champion.n == shadow.n == 400 and champion.mean == 0 and 0.05 < shadow.mean < 0.16
    assert found.differences.n == len(found.live) == round(400 * (1 - shadow.mean))
    assert found.differences.mean == pytest.approx(0.1, abs=0.001)
    assert found.losses.n == found.differences.n and 0.1 < found.live_loss < 0.3
    assert found.live_spread == pytest.approx(0.16, abs=0.03)


def test_labels_give_the_loss_of_both_arms(place: Place, tables: Tables) -> None:
    record = place.registry.rollouts.advance(place.record, **BY)
    record = place.registry.rollouts.advance(record, **BY)
    place.serve(1000, off=0.2)
    place.land_labels()
    taken(place, tables)
    found = samples.served(place.lake, tables, record, place.clock.now, slower=1.5)
    _, (champion, version) = found.losses
    assert champion.n + version.n == 1000
    assert champion.mean == pytest.approx(0.18, abs=0.03) and version.mean > champion.mean + 0.02


def test_an_arm_that_is_larger_is_thinned_to_the_other(place: Place, tables: Tables) -> None:
    record = place.registry.rollouts.advance(place.record, **BY)
    record = place.registry.rollouts.advance(record, **BY)
    place.serve(3000)
    taken(place, tables)
    found = samples.served(place.lake, tables, record, place.clock.now, slower=1.5)
    # Of about 2,100 and 900, every second of the larger; untouched they are 2.3 times apart.
    assert len(found.champion) == pytest.approx(len(found.version), rel=0.45)
