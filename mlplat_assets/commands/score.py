"""`mlplat score`: decisions of the past through a version, as a run of Dagster."""

from datetime import date

import dagster as dg
from rich.console import Console

from mlplat_assets.catalogue import catalogue
from mlplat_assets.commands.registered import unknown_model
from mlplat_assets.definitions import defs
from mlplat_assets.keys import key, table
from mlplat_assets.models.handoff import latest
from mlplat_assets.scoring.asset import ScoreRequest


def score_days(console: Console, name: str, request: ScoreRequest, first: date, last: date) -> None:
    """Score the days, both inclusive, and say what the lake holds of them.

    Raises:
        LookupError: The model is not declared, has no such version or no champion.
        ValueError: The days lie outside of the team's calendar.
    """
    declared = catalogue()
    if name not in declared.models:
        raise unknown_model(name, declared.models)
    model = declared.models[name]
    team = declared.teams[model.team]
    if not team.first_day <= first <= last or (team.end_day and last >= team.end_day):
        end = f"before {team.end_day}" if team.end_day else "today"
        raise ValueError(
            f"{first} to {last} is no span of {model.team}'s calendar; choose days from "
            f"{team.first_day} to {end}, the earlier one first"
        )
    asset = key("scores", model.team, model.name)
    with dg.DagsterInstance.get() as instance:
        job = defs().resolve_implicit_global_asset_job_def()
        job.execute_in_process(
            instance=instance,
            asset_selection=[asset],
            run_config={"ops": {asset.to_python_identifier(): {"config": request.model_dump()}}},
            tags={
                "mlplat/launched_by": "mlplat score",
                "dagster/asset_partition_range_start": first.isoformat(),
                "dagster/asset_partition_range_end": last.isoformat(),
            },
        )
        made = latest(instance, asset)
    console.print(
        f"{table('scores', model.team, model.name)}: {made['dagster/row_count']:,} decisions of "
        f"{first} to {last} by version {made['version']} at snapshot {made['lake_snapshot']}, "
        f"{made['rows_per_second']:,} a second; {made['days_replaced']} of {made['days']} days "
        "have other rows than before"
    )
