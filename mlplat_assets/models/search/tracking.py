"""The trials of a search as runs in MLflow, below the run of the search."""

from typing import TYPE_CHECKING

from mlplat_assets.models.search.trial import Outcome
from mlplat_assets.models.tracking.runs import Subject, tracked
from mlplat_assets.models.tracking.tracked_run import TrackedRun

if TYPE_CHECKING:
    import optuna

STATUSES = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}


def track_trial(
    url: str,
    search: Subject,
    parent: TrackedRun,
    trial: "optuna.trial.FrozenTrial",
    outcome: Outcome,
) -> None:
    """Write a trial that ended, by the one process that searches: workers write nothing here."""
    subject = Subject(
        experiment=search.experiment,
        name=f"trial {trial.number}",
        key=f"{search.key}/{trial.number}",
        tags={"mlplat.trial": outcome.state, **search.tags},
        parent=parent.run_id,
    )
    with tracked(url, subject) as run:
        run.parameters(trial.params)
        for entry in outcome.history:
            losses = {name: value for name, value in entry.items() if name != "epoch"}
            run.metrics(losses, step=int(entry["epoch"]))
        if outcome.value is not None:
            run.metrics({"value": outcome.value}, step=len(outcome.history))
            parent.metrics({"value": outcome.value}, step=trial.number)
        if outcome.error is not None:
            run.document("error", {"error": outcome.error})
        run.outcome = STATUSES[outcome.state]
