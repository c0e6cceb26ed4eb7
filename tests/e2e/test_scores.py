"""Decisions of the lake scored by a real version, as its service answers them."""

from datetime import date
from typing import Any

import pytest

from mlplat_assets.demo.plan import Days
from mlplat_assets.features.historical import lake_at
from mlplat_assets.models.artefact import input_columns
from mlplat_assets.models.evaluations.served import load
from mlplat_assets.scoring.question import Days as Span
from mlplat_assets.scoring.scores import Target, spans
from mlplat_assets.scoring.spans import Here, on_ray
from tests.small_world import ARRIVAL, DEPARTURE, World

pytestmark = pytest.mark.xdist_group("world")
WEEK = Days(first=date(2013, 2, 4), last=date(2013, 2, 10))


@pytest.fixture(scope="module")
def scored(world: World) -> dict[str, Any]:
    """A week scored by the champion, and what the run recorded."""
    world.materialise(world.chain(ARRIVAL, ["scores"]), WEEK)
    return dict(world.metadata("scores", ARRIVAL))


def scores(world: World) -> dict[str, float]:
    found = world.lake.read("select unit_id, prediction from scores.flights__arrival_delay")
    return dict(zip(*found.to_pydict().values(), strict=True))


def test_a_score_is_what_the_version_predicts_of_the_training_row_alone(
    world: World, scored: dict[str, Any]
) -> None:
    version = world.registry.champion(ARRIVAL)
    assert version is not None
    served = load(world.artifacts, version.artifact_digest, threads=1)
    trained = world.training_rows(ARRIVAL)
    trained = trained.filter(trained["event_timestamp"].dt.date().is_between(WEEK.first, WEEK.last))
    columns = input_columns(trained, dict(served.predictor.preprocessing))
    found = scores(world)
    assert trained.height > 5000
    for row, unit in enumerate(trained["unit_id"]):
        (alone,) = served.predictor.predict({n: v[row : row + 1] for n, v in columns.items()})
        assert found[unit] == float(alone)
    assert len(found) == scored["dagster/row_count"] >= trained.height
    assert scored["version"] == 1
    assert scored["days"] == 7


def test_scoring_twice_equals_scoring_once(world: World, scored: dict[str, Any]) -> None:
    before = world.digests("scores.flights__arrival_delay"), scores(world)
    assert list(before[0]) == list(Span(first=WEEK.first, last=WEEK.last).days())
    world.materialise(world.chain(ARRIVAL, ["scores"]), WEEK)
    again = world.metadata("scores", ARRIVAL)
    assert (again["days_replaced"], again["dagster/row_count"]) == (0, scored["dagster/row_count"])
    assert (world.digests("scores.flights__arrival_delay"), scores(world)) == before


def test_batches_of_any_size_and_tasks_of_ray_give_the_same_bytes(world: World) -> None:
    pytest.importorskip("ray")
    version = world.registry.champion(DEPARTURE)
    assert version is not None
    target = Target(
        model=DEPARTURE,
        version=version.number,
        artifact_digest=version.artifact_digest,
        snapshot=world.lake.snapshot(),
    )
    here = Here(world.lake, world.artifacts, world.catalogue, target)
    with lake_at(world.lake, target.snapshot) as at:
        week = Span(first=WEEK.first, last=WEEK.last)
        some = spans(week, here.question.count(at, week), 3000)
    assert len(some) > 1
    expected = [row for _, parts in here(some) for one in parts for row in one.to_pylist()]
    with on_ray("local", world.settings, target) as tasks:
        found = [row for _, parts in tasks(some) for one in parts for row in one.to_pylist()]
    assert found == expected
    assert len(found) > 5000
