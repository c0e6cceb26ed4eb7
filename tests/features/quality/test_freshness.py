"""Freshness is the age of the newest event, checked each hour where the calendar is open."""

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from mlplat_assets.definitions import automation
from mlplat_assets.discovery import Catalogue, Declared, Team
from mlplat_assets.features.python_views import python_view
from mlplat_assets.features.quality.freshness import Freshness, freshness
from mlplat_assets.features.quality.freshness_check import freshness_checks
from mlplat_assets.keys import key
from mlplat_assets.partitions import daily
from mlplat_assets.spec import FeatureView, Field
from resources.dagster_bindings import RESOURCES
from resources.lake import Lake, lake_from
from tests.small_world import in_environment, settings_of

OPEN = Team(name="shop", owner="shop@example.com", first_day=date(2024, 3, 1))
EVENT = datetime(2024, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SALES, STOCK = key("features", "shop", "sales"), key("features", "shop", "stock")


def view(name: str, promised: timedelta | None) -> Declared[FeatureView]:
    spec = FeatureView(
        description="Of a shop.", freshness=promised, compute=lambda inputs, first, last: rows(),
        entities=(Field(name="shop", dtype="string"),),
        features=(Field(name="value", dtype="float"),),
    )  # fmt: skip
    return Declared(team="shop", name=name, file=Path(__file__), spec=spec)


def shop(team: Team = OPEN, **promised: timedelta | None) -> Catalogue:
    views = [view(name, span) for name, span in promised.items()]
    return Catalogue(teams={"shop": team}, views={found.full_name: found for found in views})


def rows(*events: datetime) -> pl.DataFrame:
    moments = [event.replace(tzinfo=None) for event in events or (EVENT,)]
    return pl.DataFrame(
        {
            "shop": ["a"] * len(moments),
            "event_timestamp": moments,
            "created_timestamp": moments,
            "partition_day": [date(2024, 3, 1)] * len(moments),
            "value": [1.0] * len(moments),
        }
    )


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with in_environment(settings_of(tmp_path)):
        (tmp_path / "dagster").mkdir()
        yield tmp_path


@pytest.fixture
def lake(home: Path) -> Lake:
    lake = lake_from(settings_of(home))
    lake.replace_days("features.shop__sales", rows().to_arrow(), date(2024, 3, 1), date(2024, 3, 1))
    return lake


def test_the_promise_is_kept_to_the_microsecond_and_then_broken() -> None:
    kept = Freshness(at=EVENT + HOUR, newest_event=EVENT, promised=HOUR)
    assert (kept.fresh, kept.age, kept.stale_since) == (True, HOUR, None)
    broken = replace(kept, at=kept.at + timedelta(microseconds=1))
    assert (broken.fresh, broken.stale_since) == (False, EVENT + HOUR)
    assert "stale since 2024-03-01 13:00 UTC" in str(broken)


def test_without_a_promise_there_is_an_age_and_no_verdict() -> None:
    found = Freshness(at=EVENT + HOUR, newest_event=EVENT, promised=None)
    assert (found.fresh, found.age, found.stale_since) == (None, HOUR, None)


def test_a_view_is_as_fresh_as_its_newest_event_not_as_its_last_run(lake: Lake) -> None:
    declared = shop(sales=HOUR, stock=HOUR)
    found = freshness(lake, declared, EVENT + 2 * HOUR)
    assert found["shop.sales"].age == 2 * HOUR
    assert found["shop.sales"].fresh is False
    assert (found["shop.stock"].newest_event, found["shop.stock"].fresh) == (None, False)
    lake.replace_days("features.shop__sales", rows().to_arrow(), date(2024, 3, 1), date(2024, 3, 1))
    assert freshness(lake, declared, EVENT + 2 * HOUR) == found, "a run that brings nothing new"


def test_an_event_of_the_future_does_not_hide_that_nothing_comes(lake: Lake) -> None:
    day = date(2024, 3, 1)
    both = rows(EVENT, EVENT + 12 * HOUR).to_arrow()
    lake.replace_days("features.shop__sales", both, day, day)
    declared = shop(sales=HOUR)
    assert freshness(lake, declared, EVENT + 3 * HOUR)["shop.sales"].age == 3 * HOUR
    assert freshness(lake, declared, EVENT + 13 * HOUR)["shop.sales"].age == HOUR


def test_a_moment_without_a_zone_is_refused(lake: Lake) -> None:
    with pytest.raises(ValueError, match="has no time zone; give a UTC-aware datetime"):
        freshness(lake, shop(), EVENT.replace(tzinfo=None))


def test_the_check_warns_with_the_age_and_blocks_nothing(home: Path, lake: Lake) -> None:
    declared = shop(sales=HOUR, stock=2 * HOUR, other=None)
    checks = freshness_checks(OPEN, declared, clock=lambda: EVENT + 2 * HOUR)
    assert checks is not None
    assert {spec.asset_key for spec in checks.check_specs} == {SALES, STOCK}
    views = [python_view(one, declared) for one in declared.views.values()]
    made = dg.Definitions(assets=views, asset_checks=[checks], resources=RESOURCES)
    job = made.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        ran = job.execute_in_process(
            instance=instance, partition_key="2024-03-01", asset_selection=[STOCK]
        )
    found = {
        c.asset_key: c for c in ran.get_asset_check_evaluations() if c.check_name == "is_fresh"
    }
    assert set(found) == {STOCK}, "one check of several can run alone"
    assert found[STOCK].passed

    ran = dg.materialize([checks], resources=RESOURCES, selection=dg.AssetSelection.checks(checks))
    assert ran.success, "a stale view fails no run"
    stale = {c.asset_key: c for c in ran.get_asset_check_evaluations()}[SALES]
    assert not stale.passed
    assert (stale.severity, stale.blocking) == (dg.AssetCheckSeverity.WARN, False)
    assert math.isclose(stale.metadata["age_seconds"].value, 7200)  # type: ignore[arg-type]
    assert "stale since 2024-03-01 13:00 UTC" in (stale.description or "")


def test_the_daemon_measures_an_open_calendar_each_hour_and_an_ended_one_never(home: Path) -> None:
    declared = shop(sales=HOUR)
    assert requested(declared) == [0, 1, 0, 1]
    ended = replace(OPEN, end_day=date(2024, 4, 1))
    assert requested(replace(declared, teams={"shop": ended})) == [0, 0, 0, 0]


def requested(declared: Catalogue) -> list[int]:
    """How many checks are requested at the start, after an hour, at once again, an hour later."""
    team = declared.teams["shop"]
    checks = freshness_checks(team, declared)
    assert checks is not None
    views = [python_view(one, declared) for one in declared.views.values()]
    assert {view.partitions_def for view in views} == {daily(team)}
    made = dg.Definitions(assets=views, asset_checks=[checks], resources=RESOURCES)
    graph = made.resolve_asset_graph()
    watched = automation("shop").asset_selection
    assert watched.resolve_checks(graph) >= {spec.key for spec in checks.check_specs}
    found, cursor = [], None
    with dg.DagsterInstance.ephemeral() as instance:
        for minutes in (1, 61, 62, 121):
            ticked = dg.evaluate_automation_conditions(
                made, instance, asset_selection=watched, cursor=cursor,
                evaluation_time=EVENT + timedelta(minutes=minutes),
            )  # fmt: skip
            cursor = ticked.cursor
            found.append(ticked.total_requested)
    return found
