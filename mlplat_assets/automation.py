"""Every automation condition of the graph, named and labelled; none is written elsewhere."""

from datetime import timedelta

import dagster as dg

from mlplat_assets.discovery import Declared, Team
from mlplat_assets.keys import key
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.spec import FeatureView

AC = dg.AutomationCondition


def retrain_when(model: Declared[ModelSpec]) -> dg.AutomationCondition | None:
    """When a training set is rebuilt: its model's drift check begins to fail, or by the clock.

    The drift asset is named by key and is no dependency, so the graph stays free of cycles. It
    fires once each time the check turns from passing to failing, and waits while a blocking check
    of a label or feature table fails: bad data is no reason to retrain.
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
    passed = AC.all_deps_blocking_checks_passed()
    return (either & passed & ~AC.in_progress()).with_label("retrain_when")


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


def reconciled_daily(team: Team, days: int) -> dg.AutomationCondition | None:
    """Measure the newest days again each night: their labels have come meanwhile.

    A team whose calendar has ended replays the past: its labels come when they are materialised.
    """
    if team.end_day:
        return None
    newest = AC.in_latest_time_window(timedelta(days=days))
    tick = AC.cron_tick_passed("0 2 * * *").since_last_handled()
    return (newest & tick & ~AC.in_progress()).with_label("reconciled_daily")


def measured_daily(team: Team) -> dg.AutomationCondition | None:
    """Run a check that reads much each night; of a team whose calendar has ended, on request."""
    if team.end_day:
        return None
    tick = AC.cron_tick_passed("0 3 * * *").since_last_handled()
    return (tick & ~AC.in_progress()).with_label("measured_daily")


def measured_hourly(team: Team) -> dg.AutomationCondition | None:
    """Run a check of freshness each hour, whether or not its table was written.

    That of a team whose calendar has ended runs when a person asks: nothing gets fresher.
    """
    if team.end_day:
        return None
    tick = AC.cron_tick_passed("@hourly").since_last_handled()
    return (tick & ~AC.in_progress()).with_label("measured_hourly")


def online_when(team: Team, view: FeatureView) -> dg.AutomationCondition | None:
    """Sync the days whose features were rebuilt, if their blocking checks passed.

    Each hour, days whose sync failed are tried again, and the newest days of a view with a
    landing delay: their rows come into effect after they were built. A team whose calendar has
    ended replays the past in its own time.
    """
    if team.end_day:
        return None
    handled = AC.newly_requested() | AC.newly_updated() | AC.initial_evaluation()
    # A check says nothing of the day it failed on: what was rebuilt before it failed is dropped.
    refused = AC.any_deps_match(AC.any_checks_match(AC.check_failed(), blocking_only=True))
    rebuilt = AC.any_deps_updated().since(handled | refused).with_label("rebuilt")
    again = AC.execution_failed()
    if view.landing_delay:
        newest = AC.in_latest_time_window(view.landing_delay + timedelta(days=1))
        again = again | (newest & ~AC.missing())
    hour = AC.cron_tick_passed("@hourly").since_last_handled()
    # Dagster tells memories (`since`) of one condition apart by the kinds of their two parts, so
    # these must differ from those of `rebuilt`.
    unchanged = ~(AC.any_deps_updated() & ~AC.initial_evaluation()).since(handled)
    due = (rebuilt & AC.all_deps_blocking_checks_passed()) | (hour & again & unchanged)
    return (due & ~AC.in_progress()).with_label("online_when")
