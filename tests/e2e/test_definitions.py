"""A version remembers the definitions it learnt from; a changed one lists who is on the old."""

from dataclasses import replace

import dagster as dg
import pytest

from mlplat_assets.commands.feature_uses import pinned_to_another
from mlplat_assets.features.column_lineage import known_lineage
from mlplat_assets.features.view_versions import definitions_seen, view_digest
from mlplat_assets.keys import key
from resources.registry.records import Stage
from tests.small_world import ARRIVAL, DEPARTURE, World

pytestmark = pytest.mark.xdist_group("world")
WEATHER = "flights.weather"


@pytest.mark.parametrize("name", [ARRIVAL, DEPARTURE])
def test_a_version_names_the_definition_of_every_view_it_learnt_from(
    world: World, name: str
) -> None:
    champion = world.registry.champion(name)
    assert champion is not None
    _, inputs = world.model(name)
    current = {view.full_name: view_digest(view) for view, _ in inputs.views().values()}
    assert champion.lineage["views"] == current
    assert WEATHER in current


def test_the_lake_and_the_asset_name_the_definition_that_computed_a_view(world: World) -> None:
    current = view_digest(world.catalogue.views[WEATHER])
    assert [digest for digest, _ in definitions_seen(world.lake, WEATHER)] == [current]
    event = world.instance.get_latest_materialization_event(key("features", "flights", "weather"))
    assert event is not None and event.asset_materialization is not None
    assert (event.asset_materialization.tags or {})["dagster/code_version"] == current


def test_a_changed_definition_lists_the_champions_on_the_old_one(world: World) -> None:
    view = world.catalogue.views[WEATHER]
    current = view_digest(view)
    assert pinned_to_another(world.settings, WEATHER, current) == []
    assert view.spec.ttl is not None
    changed = view_digest(replace(view, spec=replace(view.spec, ttl=2 * view.spec.ttl)))
    pinned = {p.model: p for p in pinned_to_another(world.settings, WEATHER, changed)}
    assert {ARRIVAL, DEPARTURE} <= set(pinned)
    assert (pinned[ARRIVAL].digest, pinned[ARRIVAL].stage) == (current, Stage.PRODUCTION)


@pytest.mark.parametrize(
    ("stage", "name", "column", "upstream"),
    [
        ("features", "weather", "wind_speed", [("raw/flights/weather", "wind_speed")]),
        ("features", "aircraft_last_leg", "event_timestamp",
         [("raw/flights/arrivals", "landed_at")]),
        ("labels", "arrival_delay", "is_late", [("raw/flights/arrivals", "arrival_delay")]),
        ("staging", "decisions", "scheduled_minutes",
         [("raw/flights/schedule", "scheduled_arrival"),
          ("raw/flights/schedule", "scheduled_departure")]),
    ],
)  # fmt: skip
def test_the_web_interface_gets_the_columns_that_a_column_comes_from(
    world: World, stage: str, name: str, column: str, upstream: list[tuple[str, str]]
) -> None:
    asset = dg.AssetKey([stage, "flights", name])
    event = world.instance.get_latest_materialization_event(asset)
    assert event is not None and event.asset_materialization is not None
    told = event.asset_materialization.metadata["dagster/column_lineage"].value
    assert isinstance(told, dg.TableColumnLineage)
    found = [(d.asset_key.to_user_string(), d.column_name) for d in told.deps_by_column[column]]
    assert found == upstream
    assert "column_lineage_unresolved" not in event.asset_materialization.metadata


def test_every_column_of_every_dbt_view_is_resolved(world: World) -> None:
    for view in world.catalogue.views.values():
        if view.dbt_model is None or view.spec.aggregates is not None:
            continue
        lineage = known_lineage(world.lake, f"features.{view.team}__{view.name}")
        assert lineage is not None, view.full_name
        assert lineage.unresolved == {}
        assert {field.name for field in view.spec.features} <= set(lineage.columns)
