"""Rows that break a view's contract stop what lies downstream; wrong columns are never written."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from mlplat_assets.catalogue import catalogue
from mlplat_assets.demo.plan import Days
from mlplat_assets.discovery import Catalogue
from mlplat_assets.features.quality.contract import SchemaBroken, TableDiffers
from mlplat_assets.keys import Stage, key
from mlplat_assets.spec import FeatureView, Field, Source
from tests.small_world import World, in_environment, open_world, settings_of

WEEK = Days(first=date(2013, 1, 1), last=date(2013, 1, 7))
AIRCRAFT, PLANES = "flights.aircraft", "flights.planes"
RAW = key("raw", "flights", "planes")
FEATURES = key("features", "flights", "aircraft")
ONLINE = key("online", "flights", "aircraft")
TRAINING = key("training_sets", "flights", "arrival_delay")
STAGES: tuple[Stage, ...] = ("raw", "features", "online")
FLOW = [RAW, FEATURES, ONLINE, TRAINING]


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[World]:
    with in_environment(settings_of(tmp_path)):
        yield open_world(tmp_path, catalogue())


def spoilt(spoil: Callable[[pl.DataFrame], pl.DataFrame]) -> Catalogue:
    """The catalogue with an aircraft view whose rows are spoilt."""
    declared = catalogue()
    view = declared.views[AIRCRAFT]
    compute = view.spec.compute
    assert compute is not None

    def worse(inputs: Mapping[str, pl.LazyFrame], first: date, last: date) -> pl.DataFrame:
        return spoil(compute(inputs, first, last))

    spec: FeatureView = replace(view.spec, compute=worse)
    return replace(declared, views=declared.views | {AIRCRAFT: replace(view, spec=spec)})


def run(world: World, declared: Catalogue) -> dg.ExecuteInProcessResult:
    """One run over the flow from raw table to training set, which may fail."""
    return world.materialise(FLOW, WEEK, catalogue=declared, raise_on_error=False)


def made(world: World, asset: dg.AssetKey) -> bool:
    return world.instance.get_latest_materialization_event(asset) is not None


def verdict(ran: dg.ExecuteInProcessResult, asset: dg.AssetKey) -> dg.AssetCheckEvaluation:
    (found,) = (
        check
        for check in ran.get_asset_check_evaluations()
        if (check.asset_key, check.check_name) == (asset, "meets_contract")
    )
    return found


def test_bad_rows_fail_the_check_and_nothing_downstream_is_built(fresh: World) -> None:
    ran = run(fresh, spoilt(lambda rows: pl.concat([rows, rows.head(2)]).with_columns(
        seats=pl.when(pl.col("seats") > 300).then(-4).otherwise(pl.col("seats")))))  # fmt: skip
    assert not ran.success
    assert verdict(ran, RAW).passed
    check = verdict(ran, FEATURES)
    assert (check.passed, check.blocking) == (False, True)
    assert "tailnum, event_timestamp: one row per key, broken by 2" in (check.description or "")
    assert "seats: at least 1, broken by" in (check.description or "")
    told = check.metadata["violations"]
    assert isinstance(told, dg.TableMetadataValue)
    columns = [record.data["column"] for record in told.records]
    assert columns == ["tailnum, event_timestamp", "seats"]
    assert made(fresh, FEATURES)
    assert not made(fresh, ONLINE)
    assert not made(fresh, TRAINING)


def test_good_rows_pass_the_check_and_go_online(fresh: World) -> None:
    ran = fresh.materialise([RAW, FEATURES, ONLINE], WEEK)
    assert verdict(ran, RAW).passed
    assert verdict(ran, FEATURES).passed
    assert made(fresh, ONLINE)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda rows: rows.with_columns(pl.col("seats").cast(pl.String)),
         "column 'seats' is declared int, found String"),
        (lambda rows: rows.with_columns(age=1), "column 'age' is not declared, found Int32"),
        (lambda rows: rows.drop("maker"), "column 'maker' is declared string, found none"),
    ],
    ids=["retyped", "added", "removed"],
)  # fmt: skip
def test_wrong_columns_of_a_view_are_refused_before_anything_is_written(
    fresh: World, spoil: Callable[[pl.DataFrame], pl.DataFrame], told: str
) -> None:
    with pytest.raises(SchemaBroken, match=told):
        fresh.materialise([RAW, FEATURES], WEEK, catalogue=spoilt(spoil))
    assert not fresh.lake.has("features.flights__aircraft")


def test_wrong_columns_of_a_source_are_refused_before_anything_is_written(fresh: World) -> None:
    declared = catalogue()
    source = declared.sources[PLANES]
    read = source.spec.read
    spec: Source = replace(source.spec, read=lambda *days: read(*days).drop("seats"))
    wrong = replace(declared, sources=declared.sources | {PLANES: replace(source, spec=spec)})
    with pytest.raises(SchemaBroken, match=r"planes\.py: read\(\): column 'seats' is declared int"):
        fresh.materialise([RAW], WEEK, catalogue=wrong)
    assert not fresh.lake.has("raw.flights__planes")


def test_a_changed_declaration_is_refused_by_the_table_that_was_made_before(fresh: World) -> None:
    fresh.materialise([RAW, FEATURES], WEEK)
    before = fresh.digests("features.flights__aircraft")
    declared = spoilt(lambda rows: rows.with_columns(age=1, built=pl.col("built").cast(pl.Float64)))
    view = declared.views[AIRCRAFT]
    features = [replace(f, dtype="float") if f.name == "built" else f for f in view.spec.features]
    spec = replace(view.spec, features=(*features, Field(name="age", dtype="int")))
    changed = replace(declared, views=declared.views | {AIRCRAFT: replace(view, spec=spec)})
    with pytest.raises(TableDiffers) as refused:
        fresh.materialise([FEATURES], WEEK, catalogue=changed)
    message = str(refused.value)
    assert "features.flights__aircraft in the lake: column 'built' is declared float" in message
    assert "column 'age' is declared int, found none" in message
    assert "Declare the change under a new name" in message
    assert fresh.digests("features.flights__aircraft") == before


def test_bad_rows_of_a_dbt_view_fail_its_test_on_record_and_stop_the_flow(fresh: World) -> None:
    declared = catalogue()
    source = declared.sources["flights.weather"]
    read = source.spec.read
    hot = replace(
        source.spec, read=lambda *days: read(*days).with_columns(temp=pl.col("temp") + 500)
    )
    wrong = replace(declared, sources=declared.sources | {
        "flights.weather": replace(source, spec=hot)})  # fmt: skip
    raw, view, online = (key(stage, "flights", "weather") for stage in STAGES)
    ran = fresh.materialise([raw, view, online], WEEK, catalogue=wrong, raise_on_error=False)
    assert not ran.success
    failed = [c for c in ran.get_asset_check_evaluations() if not c.passed]
    assert {(c.asset_key, c.blocking) for c in failed} == {(view, True)}
    assert "within_ftr_flights__weather_temp" in failed[0].check_name
    assert made(fresh, view), "what was written is on record, beside the check that failed"
    assert not made(fresh, online)
