"""Prometheus' alerting rules, from what models and views declare."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from mlplat_assets.alerts.queries import (
    ENOUGH,
    WINDOW,
    answers,
    fault_share,
    quantile_seconds,
    routing_problems,
)
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.model_spec import ModelSpec
from resources.alerts.records import Severity

Rule = dict[str, Any]
# Long enough for a service to be restarted and scraped again.
ABSENT = "10m"


def rules(declared: Catalogue) -> str:
    """The rule file: a group of each model, and one of the views that promise an age."""
    import yaml

    models = sorted(declared.models.values(), key=lambda model: model.full_name)
    groups = [
        {"name": f"mlplat {model.full_name}", "rules": list(_of_model(model, declared))}
        for model in models
    ]
    ages = list(_of_views(declared))
    if ages:
        groups.append({"name": "mlplat features", "rules": ages})
    head = "# Written by `mlplat alerts rules` from the declarations: change those instead.\n"
    return head + yaml.safe_dump({"groups": groups}, sort_keys=False, width=1000)


def _of_model(model: Declared[ModelSpec], declared: Catalogue) -> Iterator[Rule]:
    name, owner = model.full_name, declared.owner(model)
    labels = {"model": name, "team": model.team, "owner": owner}
    wanted = model.spec.monitoring.objectives
    # Too few requests say nothing of a quantile or a share.
    enough = f"and on (model) {answers(name)} >= {ENOUGH}"
    if wanted.p99_ms is not None:
        yield _rule(
            "MlplatSlow",
            f"{quantile_seconds(name)} > {wanted.p99_ms / 1000:g} {enough}",
            Severity.P1,
            labels,
            f"p99 of {name} is {{{{ $value | humanizeDuration }}}}, promised {wanted.p99_ms:g} ms",
            waits="5m",
        )
    if wanted.error_share is not None:
        share = f"{{{{ $value | humanizePercentage }}}} of requests to {name}"
        yield _rule(
            "MlplatErrors",
            f"{fault_share(name)} > {wanted.error_share:g} {enough}",
            Severity.P1,
            labels,
            f"{share} end by a fault of the service, at most {wanted.error_share:.2%} may",
            waits="5m",
        )
    if wanted.p99_ms is not None or wanted.error_share is not None:
        yield _rule(
            "MlplatAbsent",
            f'absent(mlplat_journal_lost_total{{model="{name}"}})',
            Severity.P1,
            labels,
            f"no service of {name} is scraped, and it promises how it answers",
            waits=ABSENT,
        )
    yield _rule(
        "MlplatJournalLost",
        f'sum by (model) (increase(mlplat_journal_lost_total{{model="{name}"}}[{WINDOW}])) > 0',
        Severity.P0,
        labels,
        f"{{{{ $value }}}} predictions of {name} could not be recorded",
    )
    yield _rule(
        "MlplatRegistryStale",
        f"{routing_problems(name)} > 0",
        Severity.P1,
        labels,
        f"the service of {name} cannot follow the registry and answers by the last table it knew",
        waits="5m",
    )


def _of_views(declared: Catalogue) -> Iterator[Rule]:
    """The ages that views promise, where the feature server tells them; replays promise none."""
    for name, view in sorted(declared.views.items()):
        promised = view.spec.freshness
        if promised is None or declared.teams[view.team].end_day is not None:
            continue
        seconds = promised / timedelta(seconds=1)
        labels = {"view": name, "team": view.team, "owner": declared.owner(view)}
        yield _rule(
            "MlplatFeaturesStale",
            f'mlplat_feature_freshness_seconds{{view="{name}"}} > {seconds:g}',
            Severity.P2,
            labels,
            f"the newest event of {name} is {{{{ $value | humanizeDuration }}}} old",
            waits="10m",
        )


def _rule(
    name: str,
    query: str,
    severity: Severity,
    labels: dict[str, str],
    summary: str,
    waits: str | None = None,
) -> Rule:
    found: Rule = {"alert": name, "expr": query}
    if waits is not None:
        found["for"] = waits
    return {
        **found,
        "labels": {"severity": severity.value, **labels},
        "annotations": {"summary": summary},
    }
