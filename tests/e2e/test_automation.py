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
