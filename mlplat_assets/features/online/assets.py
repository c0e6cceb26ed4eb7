"""Feature views into the online store: the latest row in effect of each key."""

from datetime import UTC, date, datetime

import dagster as dg

from mlplat_assets.automation import online_when
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.features.online.sync import OnlineSync, Synced, exclusively
from mlplat_assets.keys import group, key
from mlplat_assets.partitions import SINGLE_RUN, daily, window
from mlplat_assets.spec import FeatureView
from resources.lake import Lake
from resources.online_store import OnlineStore
from resources.settings import Settings

# Half a minute in all: a server that restarts is back by then. What was not written stays due.
_RETRY = dg.RetryPolicy(max_retries=4, delay=2, backoff=dg.Backoff.EXPONENTIAL)


def online_view(declared: Declared[FeatureView], catalogue: Catalogue) -> dg.AssetsDefinition:
    """The asset that brings one view's window of days into the online store.

    Only keys whose rows changed in the lake since are written. The check `is_in_step` is of the
    whole view: it fails while a day that the lake has is not online.
    """
    team = catalogue.teams[declared.team]
    asset_key = key("online", declared.team, declared.name)

    @dg.asset(
        key=asset_key,
        description=f"Latest values by {', '.join(e.name for e in declared.spec.entities)}.",
        deps=[key("features", declared.team, declared.name)],
        partitions_def=daily(team),
        backfill_policy=SINGLE_RUN,
        automation_condition=online_when(team, declared.spec),
        retry_policy=_RETRY,
        check_specs=[
            dg.AssetCheckSpec(
                "is_in_step",
                asset=asset_key,
                description="Every day that the lake has of the view is online as the lake has it.",
            )
        ],
        group_name=group("online", declared.team),
        owners=[catalogue.owner(declared)],
        kinds={"redis", "sqlite"},
    )
    def synced(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        online_store: dg.ResourceParam[OnlineStore],
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult:
        with exclusively(settings, declared.full_name):
            sync = OnlineSync(lake, online_store, declared, as_of=datetime.now(UTC))
            done = sync.run(*window(context))
        keys = online_store.count(declared.full_name)
        return dg.MaterializeResult(
            metadata=_report(done, keys), check_results=[_is_in_step(sync.behind())]
        )

    return synced


def _report(done: Synced, keys: int) -> dict[str, dg.MetadataValue]:
    newest = done.newest_event
    return {
        "days_changed": dg.MetadataValue.int(len(done.days)),
        "keys_changed": dg.MetadataValue.int(done.keys_changed),
        "keys_written": dg.MetadataValue.int(done.keys_written),
        "keys_removed": dg.MetadataValue.int(done.keys_removed),
        "rows_read": dg.MetadataValue.int(done.rows_read),
        "keys": dg.MetadataValue.int(keys),
        "newest_event": dg.MetadataValue.timestamp(newest) if newest else dg.MetadataValue.null(),
    }


def _is_in_step(behind: list[date]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="is_in_step",
        passed=not behind,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "days_behind": len(behind),
            "first_day_behind": behind[0].isoformat() if behind else None,
        },
        description=f"{len(behind)} days of the lake are not online, the first is {behind[0]}; "
        "materialise them, or run `mlplat features sync`."
        if behind
        else None,
    )
