"""What runs tell: which failed, and which assets are behind the clock they are to follow."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from mlplat_assets.alerts.findings import Examination, Finding
from mlplat_assets.discovery import Catalogue
from mlplat_assets.keys import Stage, key

FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
# What a live team's models materialise each hour; two hours late is a run that was missed, not a
# queue that is long.
HOURLY: tuple[Stage, ...] = ("predictions", "drift")
EVERY, LATE = timedelta(hours=1), timedelta(hours=2)


def finished_runs(instance: dg.DagsterInstance, since: datetime) -> Iterator[Examination]:
    """How each run since a moment ended, for every thing whose assets it was to make.

    Its subject is the first stage that it was to make, so that the hourly run of a model and its
    training are told apart.
    """
    wanted = dg.RunsFilter(statuses=FINISHED, updated_after=since)
    for record in instance.get_run_records(wanted):
        run = record.dagster_run
        failed = run.status is dg.DagsterRunStatus.FAILURE
        for model, subject in _made_by(run):
            found = Finding(subject=subject, detail=f"run {run.run_id} failed")
            yield Examination(
                model=model,
                kind="failed_run",
                subject=subject,
                window=f"{record.update_timestamp.replace(tzinfo=UTC):%Y-%m-%dT%H:%M:%S.%f}",
                failing=(found,) if failed else (),
                affects=(model,),
            )


def missed_runs(
    instance: dg.DagsterInstance, declared: Catalogue, now: datetime
) -> Iterator[Examination]:
    """Whether what follows the clock does. Teams whose calendar has ended follow none."""
    live = [m for m in declared.models.values() if declared.teams[m.team].end_day is None]
    keys = {key(stage, m.team, m.name): (m.full_name, stage) for m in live for stage in HOURLY}
    for record in instance.get_asset_records(list(keys)) if keys else ():
        made = record.asset_entry.last_materialization
        # One that was never made is not in service yet.
        if made is None:
            continue
        model, stage = keys[record.asset_entry.asset_key]
        at = datetime.fromtimestamp(made.timestamp, UTC)
        told = f"{stage} was last made at {at:%Y-%m-%d %H:%M} UTC and is due each hour"
        late = now - at > EVERY + LATE
        yield Examination(
            model=model,
            kind="missed_run",
            subject=stage,
            window=f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}",
            failing=(Finding(subject=stage, detail=told),) if late else (),
            affects=(model,),
        )


def _made_by(run: dg.DagsterRun) -> list[tuple[str, str]]:
    """The things whose assets a run was to make, each with the first stage of them."""
    order = list(_STAGES)
    made: dict[str, str] = {}
    for asset in run.asset_selection or ():
        if len(asset.path) != 3 or asset.path[0] not in order:
            continue
        stage, model = asset.path[0], ".".join(asset.path[1:])
        made[model] = min(made.get(model, stage), stage, key=order.index)
    return sorted(made.items())


_STAGES = Stage.__args__  # type: ignore[attr-defined]
