"""What the automation sensor asks for, given real check results of stand-in upstreams.

The conditions are those of the real assets. Only what lies upstream of them is made up, so that a
check fails or passes as the test says.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from mlplat_assets.catalogue import catalogue
from mlplat_assets.keys import key
from mlplat_assets.models.registration import version
from mlplat_assets.models.training_set_asset import training_set
from mlplat_assets.partitions import SINGLE_RUN, daily
from resources.dagster_bindings import RESOURCES

MODEL = catalogue().models["flights.arrival_delay"]
NAMES = MODEL.team, MODEL.name


class Ticks:
    """An automation sensor over one real asset, and its upstream, which obeys `passes`."""

    def __init__(
        self,
        upstream: dg.AssetsDefinition,
        watched: dg.AssetsDefinition,
        instance: dg.DagsterInstance,
        *others: dg.AssetsDefinition,
    ) -> None:
        self.upstream = upstream
        self.instance = instance
        self.definitions = dg.Definitions(assets=[watched, upstream, *others], resources=RESOURCES)
        self.key = watched.key
        self.cursor: Any = None

    def requested(self) -> bool:
        """Whether the next tick requests the real asset."""
        result = dg.evaluate_automation_conditions(
            self.definitions,
            instance=self.instance,
            asset_selection=dg.AssetSelection.assets(self.key),
            cursor=self.cursor,
        )
        self.cursor = result.cursor
        return result.get_num_requested(self.key) > 0

    def upstream_ran(self, passes: bool, day: str | None = None) -> None:
        """Materialise the upstream; its check ends as told."""
        run_stand_in(self.upstream, self.instance, passes, day)


def run_stand_in(
    asset: dg.AssetsDefinition, instance: dg.DagsterInstance, passes: bool, day: str | None = None
) -> None:
    """Materialise a stand-in; its check ends as told."""
    ran = dg.materialize(
        [asset],
        instance=instance,
        run_config=dg.RunConfig({asset.op.name: Verdict(passes=passes)}),
        partition_key=day,
        raise_on_error=False,
    )
    assert [check.passed for check in ran.get_asset_check_evaluations()] == [passes]


class Verdict(dg.Config):
    """What the stand-in's check says."""

    passes: bool


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def stand_in(
    asset_key: dg.AssetKey, check: str, *, blocking: bool, partitioned: bool
) -> dg.AssetsDefinition:
    """An asset of that key whose one check passes or fails as its run is told."""
    team = catalogue().teams[MODEL.team]

    @dg.asset(
        key=asset_key,
        check_specs=[dg.AssetCheckSpec(check, asset=asset_key, blocking=blocking)],
        partitions_def=daily(team) if partitioned else None,
        backfill_policy=SINGLE_RUN if partitioned else None,
    )
    def made(config: Verdict) -> dg.MaterializeResult:
        result = dg.AssetCheckResult(check_name=check, passed=config.passes)
        return dg.MaterializeResult(check_results=[result])

    return made


def test_a_version_is_requested_after_a_passing_check_and_not_after_a_failing_one(
    instance: dg.DagsterInstance,
) -> None:
    evaluation = stand_in(
        key("evaluations", *NAMES), "meets_floors", blocking=True, partitioned=False
    )
    ticks = Ticks(evaluation, version(MODEL, catalogue()), instance)
    assert not ticks.requested()
    ticks.upstream_ran(passes=False)
    assert not ticks.requested()
    assert not ticks.requested()
    ticks.upstream_ran(passes=True)
    assert ticks.requested()
    assert not ticks.requested()


def test_a_version_is_not_requested_when_a_passed_check_fails_again(
    instance: dg.DagsterInstance,
) -> None:
    evaluation = stand_in(
        key("evaluations", *NAMES), "meets_floors", blocking=True, partitioned=False
    )
    ticks = Ticks(evaluation, version(MODEL, catalogue()), instance)
    assert not ticks.requested()
    ticks.upstream_ran(passes=True)
    ticks.upstream_ran(passes=False)
    assert not ticks.requested()


def test_retraining_is_requested_once_each_time_the_drift_check_begins_to_fail(
    instance: dg.DagsterInstance,
) -> None:
    drift = stand_in(key("drift", *NAMES), "within_tolerance", blocking=False, partitioned=True)
    ticks = Ticks(drift, training_set(MODEL, catalogue()), instance)
    assert not ticks.requested()
    ticks.upstream_ran(passes=True, day="2013-11-04")
    assert not ticks.requested()
    ticks.upstream_ran(passes=False, day="2013-12-08")
    assert ticks.requested(), "the check began to fail"
    assert not ticks.requested()
    ticks.upstream_ran(passes=False, day="2013-12-09")
    assert not ticks.requested(), "it keeps failing"
    ticks.upstream_ran(passes=True, day="2013-12-11")
    assert not ticks.requested()
    ticks.upstream_ran(passes=False, day="2013-12-14")
    assert ticks.requested(), "it began to fail again"


def test_retraining_waits_while_a_blocking_check_of_a_feature_table_fails(
    instance: dg.DagsterInstance,
) -> None:
    drift = stand_in(key("drift", *NAMES), "within_tolerance", blocking=False, partitioned=True)
    view = key("features", MODEL.team, "weather")
    weather = stand_in(view, "meets_contract", blocking=True, partitioned=True)
    ticks = Ticks(drift, training_set(MODEL, catalogue()), instance, weather)
    assert not ticks.requested()
    run_stand_in(weather, instance, passes=False, day="2013-12-08")
    ticks.upstream_ran(passes=False, day="2013-12-08")
    assert not ticks.requested(), "the drift may be nothing but bad rows"
    assert not ticks.requested()
    run_stand_in(weather, instance, passes=True, day="2013-12-08")
    assert ticks.requested(), "the rows were put right and the drift is still there"
    assert not ticks.requested()
