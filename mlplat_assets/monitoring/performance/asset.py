"""The asset `performance/<team>/<model>`: predictions joined with the labels that came later."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from mlplat_assets.assessment.estimation import ASSUMPTION, ESTIMATED
from mlplat_assets.automation import reconciled_daily
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import group, key
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.monitoring.performance.account import Account, accounts
from mlplat_assets.monitoring.performance.checks import check_results, check_specs, claims_of
from mlplat_assets.monitoring.performance.plot import performance_plot
from mlplat_assets.monitoring.performance.served import served_rows
from mlplat_assets.monitoring.performance.tables import write
from mlplat_assets.monitoring.service_answers import ServiceAnswers, service_answers
from mlplat_assets.partitions import SINGLE_RUN, daily, window
from mlplat_assets.pictures import picture
from mlplat_assets.references import resolve_label
from resources.lake import Lake
from resources.registry.registry import Registry
from resources.registry.traffic_table import CHAMPION
from resources.service_addresses import service_url
from resources.settings import Settings


def performance(model: Declared[ModelSpec], catalogue: Catalogue) -> dg.AssetsDefinition:
    """How good the served predictions turned out to be, by day of decision."""
    label = resolve_label(model, catalogue)
    asset_key = key("performance", model.team, model.name)
    team, watched = catalogue.teams[model.team], model.spec.monitoring
    # A label that is late by as much again is still taken in.
    delay = -(-watched.label_delay // timedelta(days=1))

    @dg.asset(
        key=asset_key,
        description="Realised metrics of served predictions once their labels are known, and what "
        f"their probabilities promise before; that {ASSUMPTION}.",
        deps=[
            key("predictions", model.team, model.name),
            key("labels", label.table.team, label.table.name),
        ],
        partitions_def=daily(team),
        backfill_policy=SINGLE_RUN,
        group_name=group("performance", model.team),
        owners=[catalogue.owner(model)],
        kinds={"ducklake"},
        automation_condition=reconciled_daily(team, 2 * delay + watched.days),
        check_specs=check_specs(asset_key, model.spec),
    )
    def realised(
        context: dg.AssetExecutionContext,
        lake: dg.ResourceParam[Lake],
        registry: dg.ResourceParam[Registry],
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult:
        first, last = window(context)
        found = account_for(model, catalogue, lake, registry, settings, (first, last))
        write(lake, model, found, first, last)
        return dg.MaterializeResult(
            metadata=_metadata(model, found),
            check_results=check_results(lake, model.team, model.name, claims_of(model.spec)),
        )

    return realised


def account_for(
    model: Declared[ModelSpec],
    catalogue: Catalogue,
    lake: Lake,
    registry: Registry,
    settings: Settings,
    days: tuple[date, date],
) -> list[Account]:
    """What the days' rows, the registry's evidence and the running service say."""
    first, last = days
    watched = model.spec.monitoring
    rows = served_rows(lake, model, catalogue, first - timedelta(days=watched.days - 1), last)
    return accounts(
        rows,
        model.spec,
        days,
        lambda number: registry.version(model.full_name, number).evidence,
        _answers(model, settings),
        datetime.now(UTC),
    )


def _answers(model: Declared[ModelSpec], settings: Settings) -> ServiceAnswers | str:
    if model.spec.monitoring.objectives.error_share is None:
        return "no share of errors is promised"
    url = service_url(settings.home, model.full_name) or settings.serving_url
    return service_answers(url, model.full_name)


def _metadata(model: Declared[ModelSpec], found: Sequence[Account]) -> dict[str, Any]:
    labels = Counter[str]()
    for each in found:
        arrived = each.arrived
        labels.update(
            labelled=arrived.labelled,
            unlabelled=arrived.served - arrived.labelled,
            early=arrived.early,
            missing=arrived.missing,
            late=arrived.late,
        )
    names = ("labelled", "unlabelled", "early", "missing", "late")
    estimates = ESTIMATED[model.spec.task]
    facts: dict[str, Any] = {name: labels[name] for name in names}
    facts["estimate"] = (
        f"{', '.join(estimates)} by CBPE, which {ASSUMPTION}"
        if estimates
        else "none: a regression's predictions say nothing of their errors; wait for labels"
    )
    champion = [each for each in found if each.series.variant == CHAMPION]
    if champion:
        newest = champion[-1]
        facts |= {name: each.estimate for name, each in newest.span.realised.items()}
        facts["findings"] = dg.MetadataValue.md(_findings(newest))
        facts["plot"] = picture(performance_plot(model.spec, champion, title=model.full_name))
    return facts


def _findings(account: Account) -> str:
    lines = [f"| {f.claim} | {f.subject} | {f.verdict} | {f.reason} |" for f in account.findings]
    return "\n".join(["| claim | of | verdict | why |", "|---" * 4 + "|", *lines])
