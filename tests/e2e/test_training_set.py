"""A training set holds what was known at each decision, recomputed here by the plainest loop."""

import random
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from mlplat_assets.discovery import Declared
from mlplat_assets.features.point_in_time import ViewFrame, point_in_time_join
from mlplat_assets.keys import table
from mlplat_assets.models.training_sets import _without_provenance
from mlplat_assets.spec import FeatureView
from tests.small_world import ARRIVAL, DEPARTURE, World

pytestmark = pytest.mark.xdist_group("world")


@pytest.mark.parametrize("name", [ARRIVAL, DEPARTURE])
def test_every_value_is_the_last_one_known_at_its_decision_time(world: World, name: str) -> None:
    _, inputs = world.model(name)
    rows = world.training_rows(name)
    assert rows.height > 10_000
    picked = random.Random(7).sample(list(rows.iter_rows(named=True)), 200)
    found, absent = 0, 0
    for view, features in inputs.views().values():
        known = rows_by_key(world, view)
        for row in picked:
            row_used = last_known(known, view, row)
            for feature in features:
                expected = row_used[feature] if row_used else None
                assert row[f"{view.name}__{feature}"] == expected, (row["unit_id"], feature)
                found += expected is not None
                absent += expected is None
    assert found > 1000 and absent > 10, "the sample shows both values and their absence"


def test_every_landed_flight_of_the_period_is_there_once_with_its_own_outcome(
    world: World,
) -> None:
    rows = world.training_rows(ARRIVAL)
    landed = pl.DataFrame(
        world.lake.read("select flight_id, arrival_delay from raw.flights__arrivals")
    )
    matched = rows.join(landed, left_on="unit_id", right_on="flight_id", how="left")
    assert matched.height == rows.height == rows["unit_id"].n_unique()
    assert (matched["label"] == (matched["arrival_delay"] > 15).cast(pl.Int32)).all()
    scheduled = pl.DataFrame(
        world.lake.read(
            """select flight_id from raw.flights__arrivals
               join raw.flights__schedule using (flight_id)
               where scheduled_departure - interval 2 hour >= ?""",
            [rows["event_timestamp"].min()],
        )
    )
    assert set(scheduled["flight_id"]) == set(rows["unit_id"])


def test_a_value_used_before_it_took_effect_is_counted_as_a_leak(world: World) -> None:
    view = world.catalogue.views["flights.weather"]
    decisions = world.training_rows(ARRIVAL).select("unit_id", "event_timestamp", "origin")
    honest = view_frame(world, view)
    forgetful = replace(honest, landing_delay=timedelta(0))
    joined = point_in_time_join(decisions, [forgetful], full_feature_names=True, provenance=True)
    used = pl.DataFrame(joined)["weather__event_timestamp"].dt.replace_time_zone(None)
    leaking = (used + timedelta(hours=1) > decisions["event_timestamp"]).sum()
    assert leaking > 1000
    rows, leaks = _without_provenance(joined, [honest])
    assert leaks == leaking
    assert "weather__event_timestamp" not in rows.column_names
    joined = point_in_time_join(decisions, [honest], full_feature_names=True, provenance=True)
    assert _without_provenance(joined, [honest])[1] == 0


def view_frame(world: World, view: Declared[FeatureView]) -> ViewFrame:
    return ViewFrame(
        name=view.full_name,
        frame=world.lake.read(f"select * from {table('features', view.team, view.name)}"),
        keys=tuple(entity.name for entity in view.spec.entities),
        features=tuple(feature.name for feature in view.spec.features),
        event_timestamp="event_timestamp",
        created_timestamp="created_timestamp",
        ttl=view.spec.ttl,
        landing_delay=view.spec.landing_delay,
    )


Rows = dict[tuple[object, ...], list[dict[str, Any]]]


def rows_by_key(world: World, view: Declared[FeatureView]) -> Rows:
    rows: Rows = defaultdict(list)
    found = world.lake.read(f"select * from {table('features', view.team, view.name)}")
    for row in pl.DataFrame(found).iter_rows(named=True):
        rows[tuple(row[entity.name] for entity in view.spec.entities)].append(row)
    return rows


def last_known(
    known: Rows, view: Declared[FeatureView], asked: dict[str, Any]
) -> dict[str, Any] | None:
    moment: datetime = asked["event_timestamp"]
    key = tuple(asked[entity.name] for entity in view.spec.entities)
    best = None
    for row in known.get(key, ()):
        if None in key or row["event_timestamp"] + view.spec.landing_delay > moment:
            continue
        if best is None or order(row) > order(best):
            best = row
    if best and view.spec.ttl and moment - best["event_timestamp"] > view.spec.ttl:
        return None
    return best


def order(row: dict[str, Any]) -> tuple[datetime, datetime]:
    return row["event_timestamp"], row["created_timestamp"]
