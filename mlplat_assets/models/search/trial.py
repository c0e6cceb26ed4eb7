"""One trial: a training with some hyperparameters, wherever it runs, and what came of it."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from mlplat_assets.model_spec import METRICS, Task
from mlplat_assets.search_spec import Search

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a worker needs to run a trial, beside the rows.

    Attributes:
        url: The database of studies.
        study: The study's name.
        trial_id: The trial's id in the database.
        search: What the model declares of its search.
        task: The model's task.
        metric: What the search improves.
        recipe: What `fit` takes beside rows, folder and callbacks.
    """

    url: str
    study: str
    trial_id: int
    search: Search
    task: Task
    metric: str
    recipe: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a trial ended; `value` is that of the metric, and `error` what a failed one said.

    `history` has an entry an epoch, as of `Fitted`.
    """

    state: Literal["complete", "pruned", "failed"]
    value: float | None = None
    history: tuple[Mapping[str, float], ...] = ()
    error: str | None = None


def run(work: Work, train: pl.DataFrame, validation: pl.DataFrame) -> Outcome:
    """Train as the trial says; after each epoch the pruner may give it up.

    An error of the training itself is an outcome: a value that is refused, a loss that is not
    finite, a network that does not fit into memory.
    """
    from mlplat_assets.models.trainers.failures import TrainingOutOfMemory
    from mlplat_assets.models.trainers.fitting import fit
    from mlplat_assets.models.trainers.pruning import Pruning

    trial = _trial(work)
    # Optuna compares what is reported in the direction of the metric.
    sign = -1.0 if METRICS[work.task][work.metric] == "higher" else 1.0

    def falls_behind(loss: float, epoch: int) -> bool:
        trial.report(sign * loss, epoch)
        return trial.should_prune()

    pruning = Pruning(falls_behind)
    with tempfile.TemporaryDirectory(prefix="mlplat-trial-") as folder:
        try:
            fitted = fit(train, validation, folder=Path(folder), callbacks=[pruning], **work.recipe)
        except (ValueError, TrainingOutOfMemory) as error:
            return Outcome(state="failed", error=str(error))
    history = tuple(fitted.history)
    if pruning.pruned:
        return Outcome(state="pruned", history=history)
    return Outcome(state="complete", value=fitted.validation[work.metric], history=history)


def _trial(work: Work) -> "optuna.Trial":
    import optuna

    from mlplat_assets.models.search.study import pruner, storage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.load_study(
        study_name=work.study, storage=storage(work.url), pruner=pruner(work.search)
    )
    return optuna.Trial(study, work.trial_id)
