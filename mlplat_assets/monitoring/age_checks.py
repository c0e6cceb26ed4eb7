"""The checks `reads_fresh_features` and `is_young_enough` of models that promise an age."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg

from mlplat_assets.automation import measured_hourly
from mlplat_assets.discovery import Catalogue, Declared, Team
from mlplat_assets.features.quality.freshness import whole
from mlplat_assets.keys import key, table
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.monitoring.ages import Age, feature_ages
from resources.lake import Lake
from resources.registry.registry import Registry

FEATURES, VERSION = "reads_fresh_features", "is_young_enough"


def age_checks(
    team: Team,
    declared: Catalogue,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dg.AssetChecksDefinition | None:
    """The checks of a team's models, in one step. They warn: an old answer is not a wrong one."""
    models = [model for _, model in sorted(declared.models.items()) if model.team == team.name]
    promising = {
        dg.AssetCheckKey(key("predictions", model.team, model.name), FEATURES): model
        for model in models
        if model.spec.monitoring.feature_age
    } | {
        dg.AssetCheckKey(key("champions", model.team, model.name), VERSION): model
        for model in models
        if model.spec.monitoring.version_age
    }
    if not promising:
        return None

    @dg.multi_asset_check(
        name=f"ages_{team.name}",
        specs=[
            dg.AssetCheckSpec(
                check.name,
                asset=check.asset_key,
                description=_says(check.name, model),
                automation_condition=measured_hourly(team),
            )
            for check, model in promising.items()
        ],
        can_subset=True,
    )
    def young(
        context: dg.AssetCheckExecutionContext,
        lake: dg.ResourceParam[Lake],
        registry: dg.ResourceParam[Registry],
    ) -> Iterator[dg.AssetCheckResult]:
        for check in sorted(context.selected_asset_check_keys):
            model = promising[check]
            if check.name == FEATURES:
                ages = list(
                    feature_ages(
                        lake,
                        table("predictions", model.team, model.name),
                        model.spec.monitoring.feature_age,
                    )
                )
                yield _result(check, ages, "nothing was predicted yet")
            else:
                ages = version_age(registry, model, clock())
                yield _result(check, ages, "no version is in production")

    return young


def version_age(registry: Registry, model: Declared[ModelSpec], at: datetime) -> list[Age]:
    """How long ago the version in production was registered; nothing where none is."""
    champion, promised = registry.champion(model.full_name), model.spec.monitoring.version_age
    if champion is None or promised is None:
        return []
    what = f"version {champion.number}"
    return [Age(what=what, newest=champion.created_at, at=at, promised=promised)]


def _says(name: str, model: Declared[ModelSpec]) -> str:
    watched = model.spec.monitoring
    if name == VERSION:
        return f"The version in production was registered at most {whole(watched.version_age)} ago."
    views = ", ".join(f"{view} {whole(limit)}" for view, limit in watched.feature_age.items())
    return f"The newest row of a view that predictions read is at most so old: {views}."


def _result(check: dg.AssetCheckKey, ages: Sequence[Age], none: str) -> dg.AssetCheckResult:
    broken = [age for age in ages if not age.kept]
    return dg.AssetCheckResult(
        check_name=check.name,
        asset_key=check.asset_key,
        passed=not broken,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(str(age) for age in broken or ages) or none,
    )
