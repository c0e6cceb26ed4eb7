"""Shared partition definitions: one daily calendar per team, in UTC days."""

from datetime import date, timedelta

import dagster as dg

from mlplat_assets.discovery import Team

# One run for a range of days: 365 runs would cost 365 process starts, and a window of SQL is
# faster in one statement.
SINGLE_RUN = dg.BackfillPolicy.single_run()


def daily(team: Team) -> dg.DailyPartitionsDefinition:
    """The team's days, each named by its UTC date and meaning time of knowledge."""
    return dg.DailyPartitionsDefinition(
        start_date=team.first_day.isoformat(),
        end_date=team.end_day.isoformat() if team.end_day else None,
        timezone="UTC",
    )


def window(context: dg.AssetExecutionContext) -> tuple[date, date]:
    """The first and last day that this run builds, both inclusive."""
    span = context.partition_time_window
    return span.start.date(), (span.end - timedelta(days=1)).date()
