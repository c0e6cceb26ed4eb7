"""A study: the trials of one search in a database, so that it can be broken off and go on."""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mlplat_assets.discovery import Declared
from mlplat_assets.model_spec import METRICS, ModelSpec
from mlplat_assets.models.search.trial import Outcome
from mlplat_assets.search_spec import Choice, IntRange, Search, Uniform
from resources.digests import digest

if TYPE_CHECKING:
    import optuna

# A trial whose process died is tried again this often: by then it is the trial that kills.
RETRIES = 2
ERROR, BROKEN_OFF = "error", "broken_off"


def space_digest(spec: ModelSpec) -> str:
    """What decides a search but the rows; its result fits any spec with the same digest.

    Raises:
        ValueError: The spec declares no search.
    """
    if spec.search is None:
        raise ValueError("no search is declared; add search=Search(space={...}) to the model")
    return digest(
        {
            "space": {name: repr(part) for name, part in spec.search.space.items()},
            "metric": metric_of(spec),
            "pruner": spec.search.pruner,
            "task": spec.task,
            "trainer": spec.trainer,
            "hyperparameters": {
                name: value
                for name, value in spec.hyperparameters.items()
                if name not in spec.search.space
            },
            "seed": spec.seed,
        }
    )


def metric_of(spec: ModelSpec) -> str:
    """The metric that a search improves: the declared one, else the first gate's."""
    declared = spec.search.metric if spec.search else None
    return declared or spec.gates[0].metric


def study_name(model: Declared[ModelSpec], training_set_digest: str) -> str:
    """One study for each model, space and training set."""
    short = digest({"space": space_digest(model.spec), "rows": training_set_digest})[7:19]
    return f"{model.full_name}-{short}"


class Study:
    """The trials of a search. One process at a time asks it; see `driver.exclusively`."""

    def __init__(self, url: str, name: str, spec: ModelSpec) -> None:
        import optuna

        assert spec.search is not None  # by space_digest, which named the study
        self.name, self._seed, self._declared = name, spec.seed, spec.hyperparameters
        self._space = distributions(spec.search.space)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        higher = METRICS[spec.task][metric_of(spec)] == "higher"
        self._storage = storage(url)
        self._study = optuna.create_study(
            storage=self._storage,
            study_name=name,
            direction="maximize" if higher else "minimize",
            load_if_exists=True,
        )

    def begin(self) -> None:
        """Take over: a trial that still counts as running died with the process before.

        The first trial has the declared values: no search ends below them.
        """
        for trial in self._trials("RUNNING"):
            self.broken_off(trial.number)
        if not self.trials():
            known = {n: value for n, value in self._declared.items() if n in self._space}
            self._study.enqueue_trial(known)

    def done(self) -> int:
        """How many trials have a value or were given up."""
        return len(self._trials("COMPLETE", "PRUNED"))

    def ask(self) -> "optuna.Trial":
        """The next trial, a retried one first.

        Each has a sampler of its own seed, so that a search that was broken off between two
        trials asks for the same ones as a search that was not.
        """
        import optuna

        begun = sum(trial.state.name != "WAITING" for trial in self.trials())
        self._study.sampler = optuna.samplers.TPESampler(seed=self._seed + begun)
        return self._study.ask(self._space)

    def tell(self, number: int, outcome: Outcome) -> None:
        """Record how a trial ended."""
        from optuna.trial import TrialState

        if outcome.error is not None:
            self._mark(number, ERROR, outcome.error)
        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
        value = outcome.value if outcome.state == "complete" else None
        self._study.tell(number, value, state=states.get(outcome.state, TrialState.FAIL))

    def broken_off(self, number: int) -> None:
        """Fail a trial whose process died, and queue the same values again, twice at most."""
        from optuna.trial import TrialState

        trial = self.trials()[number]
        attempt = int(trial.user_attrs.get("attempt", 1))
        spent = attempt > RETRIES
        self._mark(number, ERROR if spent else BROKEN_OFF, f"its process died, {attempt} times")
        self._study.tell(number, state=TrialState.FAIL)
        if not spent:
            self._study.enqueue_trial(trial.params, user_attrs={"attempt": attempt + 1})

    def best(self) -> "optuna.trial.FrozenTrial":
        """The trial with the best value, the first of equals.

        Raises:
            ValueError: No trial has a value.
        """
        if not self._trials("COMPLETE"):
            said = [t.user_attrs[ERROR] for t in self._trials("FAIL") if ERROR in t.user_attrs]
            last = f"; the last said: {said[-1]}" if said else ""
            raise ValueError(f"no trial of {self.name} has a value{last}")
        return self._study.best_trial

    def trials(self) -> "list[optuna.trial.FrozenTrial]":
        """Every trial in the order of asking."""
        return self._study.get_trials(deepcopy=False)

    def trial_id(self, number: int) -> int:
        """The id of a trial in the database, by which a worker reports."""
        study = self._storage.get_study_id_from_name(self.name)
        return self._storage.get_trial_id_from_study_id_trial_number(study, number)

    def _trials(self, *states: str) -> "list[optuna.trial.FrozenTrial]":
        return [trial for trial in self.trials() if trial.state.name in states]

    def _mark(self, number: int, name: str, value: Any) -> None:  # noqa: ANN401  what JSON holds
        self._storage.set_trial_user_attr(self.trial_id(number), name, value)


@lru_cache(maxsize=4)
def storage(url: str) -> "optuna.storages.RDBStorage":
    """The database of studies, its tables made if need be; one connection pool a process."""
    import optuna

    waits = {"connect_args": {"timeout": 60.0}} if url.startswith("sqlite") else {}
    return optuna.storages.RDBStorage(url, engine_kwargs=waits)


def pruner(search: Search) -> "optuna.pruners.BasePruner":
    """What gives up a trial after an epoch."""
    import optuna

    if search.pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=4)
    if search.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner()
    return optuna.pruners.NopPruner()


def distributions(
    space: Mapping[str, Uniform | IntRange | Choice],
) -> "dict[str, optuna.distributions.BaseDistribution]":
    """A declared space in Optuna's terms."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    found: dict[str, optuna.distributions.BaseDistribution] = {}
    for name, part in space.items():
        if isinstance(part, Choice):
            found[name] = CategoricalDistribution(part.options)
        elif isinstance(part, IntRange):
            found[name] = IntDistribution(part.low, part.high, log=part.log)
        else:
            found[name] = FloatDistribution(part.low, part.high, log=part.log)
    return found
