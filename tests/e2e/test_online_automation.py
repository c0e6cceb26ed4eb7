"""Which days of the online views the automation asks for, as their feature views are rebuilt.

The conditions and the online assets are the real ones, of a team whose calendar is open. Only the
feature view upstream is made up, so that its blocking check passes or fails as the test says.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from mlplat_assets.automation import online_when
from mlplat_assets.catalogue import catalogue
from mlplat_assets.definitions import AUTOMATED
from mlplat_assets.features.online.assets import online_view
from mlplat_assets.keys import key
from mlplat_assets.partitions import SINGLE_RUN, daily
from resources.dagster_bindings import RESOURCES

TEAM = replace(catalogue().teams["flights"], end_day=None)
OPEN = replace(catalogue(), teams={"flights": TEAM})
NOW = datetime(2013, 6, 3, 12, 30, tzinfo=UTC)
AT_ONCE, LANDING = "flights.origin_recent", "flights.weather"


class Verdict(dg.Config):
    """What the stand-in's blocking check says."""

    passes: bool


class Ticks:
    """The automation of one online view, and the stand-in for its feature view."""

    def __init__(self, name: str, instance: dg.DagsterInstance) -> None:
        view = OPEN.views[name]
        self.features = feature_view(key("features", view.team, view.name))
        self.online = key("online", view.team, view.name)
        self.instance = instance
        self.definitions = dg.Definitions(
            assets=[online_view(view, OPEN), self.features], resources=RESOURCES
        )
        self.now = NOW
        self.cursor: Any = None

    def requested(self) -> list[str]:
        """The days of the online view that the next tick asks for."""
        self.now += timedelta(seconds=10)
        result = dg.evaluate_automation_conditions(
            self.definitions,
            instance=self.instance,
            asset_selection=dg.AssetSelection.assets(self.online),
            cursor=self.cursor,
            evaluation_time=self.now,
        )
        self.cursor = result.cursor
        return sorted(result.get_requested_partitions(self.online))  # type: ignore[type-var]

    def rebuild(self, *days: str, passes: bool) -> None:
        """Materialise days of the feature view, one run each; its check ends as told."""
        config = dg.RunConfig({self.features.op.name: Verdict(passes=passes)})
        for day in days:
            dg.materialize(
                [self.features],
                instance=self.instance,
                run_config=config,
                partition_key=day,
                raise_on_error=False,
            )

    def sync(self, *days: str) -> None:
        """Note that days were brought online."""
        for day in days:
            self.instance.report_runless_asset_event(
                dg.AssetMaterialization(self.online, partition=day)
            )


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def feature_view(asset_key: dg.AssetKey) -> dg.AssetsDefinition:
    @dg.asset(
        key=asset_key,
        check_specs=[dg.AssetCheckSpec("within", asset=asset_key, blocking=True)],
        partitions_def=daily(TEAM),
        backfill_policy=SINGLE_RUN,
    )
    def features(config: Verdict) -> dg.MaterializeResult:
        result = dg.AssetCheckResult(check_name="within", passed=config.passes)
        return dg.MaterializeResult(check_results=[result])

    return features


def test_exactly_the_rebuilt_days_are_synced_once(instance: dg.DagsterInstance) -> None:
    ticks = Ticks(AT_ONCE, instance)
    assert ticks.requested() == []
    ticks.rebuild("2013-02-03", "2013-05-31", passes=True)
    assert ticks.requested() == ["2013-02-03", "2013-05-31"]
    assert ticks.requested() == []
    ticks.rebuild("2013-05-31", passes=True)
    assert ticks.requested() == ["2013-05-31"]


def test_days_whose_check_failed_are_not_synced_even_when_other_days_pass_later(
    instance: dg.DagsterInstance,
) -> None:
    ticks = Ticks(AT_ONCE, instance)
    assert ticks.requested() == []
    ticks.rebuild("2013-05-30", passes=False)
    assert ticks.requested() == []
    ticks.rebuild("2013-05-31", passes=True)
    assert ticks.requested() == ["2013-05-31"]
    ticks.rebuild("2013-05-30", passes=True)
    assert ticks.requested() == ["2013-05-30"], "it was rebuilt and passed"


def test_rows_that_land_later_are_synced_by_the_hour(instance: dg.DagsterInstance) -> None:
    ticks = Ticks(LANDING, instance)
    assert ticks.requested() == []
    ticks.rebuild("2013-06-01", "2013-06-02", passes=True)
    assert ticks.requested() == ["2013-06-01", "2013-06-02"]
    ticks.sync("2013-06-01", "2013-06-02")
    assert ticks.requested() == []
    ticks.now += timedelta(hours=1)
    assert "2013-06-02" in ticks.requested()
    ticks.sync("2013-06-02")
    assert ticks.requested() == []
    ticks.rebuild("2013-06-02", passes=False)
    ticks.now += timedelta(hours=1)
    assert "2013-06-02" not in ticks.requested(), "what it holds now was refused"


def test_a_view_without_landing_delay_is_not_synced_by_the_hour(
    instance: dg.DagsterInstance,
) -> None:
    ticks = Ticks(AT_ONCE, instance)
    assert ticks.requested() == []
    ticks.rebuild("2013-06-02", passes=True)
    assert ticks.requested() == ["2013-06-02"]
    ticks.sync("2013-06-02")
    ticks.now += timedelta(hours=1)
    assert ticks.requested() == []


def test_a_team_whose_calendar_has_ended_syncs_when_asked_only() -> None:
    view = OPEN.views[AT_ONCE].spec
    assert online_when(catalogue().teams["flights"], view) is None
    assert online_when(TEAM, view) is not None
    assert "online" in AUTOMATED
