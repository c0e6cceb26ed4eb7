"""The search: asks the study, lets workers train, tells the study, until enough is known."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.search.study import Study, metric_of
from mlplat_assets.models.search.trial import Outcome, Work
from mlplat_assets.models.search.workers import WorkerDied, Workers
from resources.settings import Settings

if TYPE_CHECKING:
    import optuna

# So many errors and not one value: it is the declaration that is wrong, not bad luck.
HOPELESS = 3


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a search tries.

    Attributes:
        url: The database of studies.
        spec: The model.
        recipe: What `fit` takes beside rows, folder, callbacks and hyperparameters.
        trials: How many have ended when it ends. Those of earlier runs count, but for failed ones.
        jobs: How many run at once.
    """

    url: str
    spec: ModelSpec
    recipe: Mapping[str, Any]
    trials: int
    jobs: int


Told = Callable[["optuna.trial.FrozenTrial", Outcome], None]


def search(plan: Plan, study: Study, workers: Workers, told: Told) -> None:
    """Run trials until `plan.trials` have ended; `told` hears of each.

    Raises:
        ValueError: The first trials all failed by themselves, which the message quotes.
    """
    study.begin()
    running: dict[Future[Outcome], int] = {}
    failed = 0
    while True:
        while len(running) < plan.jobs and study.done() + failed + len(running) < plan.trials:
            trial = study.ask()
            running[workers.start(_work(plan, study, trial))] = trial.number
        if not running:
            return
        ended, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in ended:
            outcome = _settle(study, running.pop(future), future, workers, told)
            failed += outcome is not None and outcome.state == "failed"
        if failed >= HOPELESS and not study.done():
            study.best()  # raises, and quotes the last error


@contextmanager
def exclusively(settings: Settings, study: str) -> Iterator[None]:
    """Hold a study: what is running in it besides is dead.

    Raises:
        ValueError: Another process of this home holds it.
    """
    path = settings.home / "locks" / f"search.{study}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=0):
            yield
    except Timeout as error:
        raise ValueError(f"a search of {study} is running; wait for it, or end it") from error


def _settle(
    study: Study, number: int, future: "Future[Outcome]", workers: Workers, told: Told
) -> Outcome | None:
    try:
        outcome = workers.outcome(future)
    except WorkerDied:
        study.broken_off(number)
        return None
    study.tell(number, outcome)
    told(study.trials()[number], outcome)
    return outcome


def _work(plan: Plan, study: Study, trial: "optuna.Trial") -> Work:
    assert plan.spec.search is not None  # by space_digest, which named the study
    hyperparameters = {**plan.spec.hyperparameters, **trial.params}
    return Work(
        url=plan.url,
        study=study.name,
        trial_id=study.trial_id(trial.number),
        search=plan.spec.search,
        task=plan.spec.task,
        metric=metric_of(plan.spec),
        recipe={**plan.recipe, "hyperparameters": hyperparameters},
    )
