"""Every automation condition of the graph, named and labelled; none is written elsewhere."""

import dagster as dg

from mlplat_assets.discovery import Declared, Team
from mlplat_assets.keys import key
from mlplat_assets.spec import ModelSpec

AC = dg.AutomationCondition


def retrain_when(model: Declared[ModelSpec]) -> dg.AutomationCondition | None:
    """When a training set is rebuilt: its model's drift check begins to fail, or by the clock.

    The drift asset is named by key and is no dependency, so the graph stays free of cycles. It
    fires once each time the check turns from passing to failing.
    """
    conditions = []
    if model.spec.retrain.on_drift:
        drifted = AC.asset_matches(
            key("drift", model.team, model.name), AC.any_checks_match(AC.check_failed())
        )
        conditions.append(drifted.newly_true().since_last_handled().with_label("drift_began"))
    if model.spec.retrain.cron:
        conditions.append(
            AC.cron_tick_passed(model.spec.retrain.cron)
            .since_last_handled()
            .with_label(f"cron {model.spec.retrain.cron}")
        )
    if not conditions:
        return None
    either = conditions[0]
    for condition in conditions[1:]:
        either = either | condition
    return (either & ~AC.in_progress()).with_label("retrain_when")


def follow() -> dg.AutomationCondition:
    """Rebuild when an upstream was rebuilt, in the same run where that is possible.

    Unlike `eager` it does not wait for missing partitions of daily upstreams.
    """
    updated = AC.any_deps_updated().since_last_handled()
    return (updated & ~AC.in_progress()).with_label("follow")


def gated() -> dg.AutomationCondition:
    """Rebuild when an upstream was rebuilt and every blocking check on it has passed since."""
    updated = AC.any_deps_updated().since_last_handled()
    passed = AC.all_deps_blocking_checks_passed()
    return (updated & passed & ~AC.in_progress()).with_label("gated")


def hourly(team: Team) -> dg.AutomationCondition | None:
    """Take in what the services wrote, each hour, into the current day's partition.

    A team whose calendar has ended replays the past: nothing arrives by the clock.
    """
    return None if team.end_day else AC.on_cron("@hourly").with_label("hourly")
