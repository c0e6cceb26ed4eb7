"""Every automation condition of the graph, named and labelled; none is written elsewhere."""

from datetime import timedelta

import dagster as dg

from mlplat_assets.discovery import Team
from mlplat_assets.spec import FeatureView

AC = dg.AutomationCondition


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
