"""The checks `is_fresh` of feature views: warnings, measured each hour."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import dagster as dg

from mlplat_assets.automation import measured_hourly
from mlplat_assets.discovery import Catalogue, Team
from mlplat_assets.features.quality.freshness import Freshness, freshness, whole
from mlplat_assets.keys import key
from resources.lake import Lake


def freshness_checks(
    team: Team,
    declared: Catalogue,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dg.AssetChecksDefinition | None:
    """The checks `is_fresh` of a team's views that promise an age, in one step for all of them.

    They warn and do not block: late values are not wrong, and ttl says until when they are used.
    """
    promising = {
        key("features", view.team, view.name): name
        for name, view in sorted(declared.views.items())
        if view.team == team.name and view.spec.freshness is not None
    }
    if not promising:
        return None

    @dg.multi_asset_check(
        name=f"freshness_{team.name}",
        specs=[
            dg.AssetCheckSpec(
                "is_fresh",
                asset=asset_key,
                description=f"The newest event is at most {whole(promise)} old.",
                automation_condition=measured_hourly(team),
            )
            for asset_key, name in promising.items()
            for promise in [declared.views[name].spec.freshness]
        ],
        can_subset=True,
    )
    def is_fresh(
        context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]
    ) -> Iterator[dg.AssetCheckResult]:
        measured = freshness(lake, declared, clock())
        for check in sorted(context.selected_asset_check_keys):
            yield _result(check, measured[promising[check.asset_key]])

    return is_fresh


def _result(check: dg.AssetCheckKey, measured: Freshness) -> dg.AssetCheckResult:
    metadata: dict[str, dg.MetadataValue] = {}
    if measured.newest_event is not None and measured.age is not None:
        metadata["newest_event"] = dg.MetadataValue.timestamp(measured.newest_event)
        metadata["age_seconds"] = dg.MetadataValue.float(measured.age.total_seconds())
    if measured.stale_since is not None:
        metadata["stale_since"] = dg.MetadataValue.timestamp(measured.stale_since)
    return dg.AssetCheckResult(
        check_name=check.name,
        asset_key=check.asset_key,
        passed=bool(measured.fresh),
        severity=dg.AssetCheckSeverity.WARN,
        description=str(measured),
        metadata=metadata,
    )
