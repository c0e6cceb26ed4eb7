"""Searches: repeatable, resumable, parallel, and no trial is lost with its process."""

import os
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial

from mlplat_assets.models.search.driver import HOPELESS, Plan, exclusively, search
from mlplat_assets.models.search.result import found_by
from mlplat_assets.models.search.study import (
    RETRIES,
    Study,
    distributions,
    metric_of,
    space_digest,
)
from mlplat_assets.models.search.trial import Outcome, Work, run
from mlplat_assets.models.search.workers import Here, Processes, WorkerDied, local_workers
from mlplat_assets.search_spec import Choice, Search, Uniform
from tests.models.search.problem import TRAIN, VALIDATION, plan_at, searching, study_of
from tests.small_home import settings_at


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    """Two processes that train; they take seconds to import what they need."""
    with local_workers(2, TRAIN, VALIDATION) as workers:
        assert isinstance(workers, Processes)
        yield workers


def nothing(trial: FrozenTrial, outcome: Outcome) -> None:
    """Whoever is told does not care."""


def asked(study: Study) -> list[Mapping[str, Any]]:
    return [trial.params for trial in study.trials()]


def states(study: Study) -> list[str]:
    return [trial.state.name for trial in study.trials()]


def searched(plan: Plan, workers: Any = None) -> Study:
    study = study_of(plan)
    search(plan, study, workers or Here(TRAIN, VALIDATION), nothing)
    return study


class Ends:
    """Workers whose trials end as a list says: by value, by error, or by death."""

    def __init__(self, *ends: float | str | None) -> None:
        self.ends, self.started = list(ends), 0

    def start(self, work: Work) -> "Future[Outcome]":
        self.started += 1
        future: Future[Outcome] = Future()
        end = self.ends.pop(0)
        if end is None:
            future.set_exception(WorkerDied("killed"))
        elif isinstance(end, str):
            future.set_result(Outcome(state="failed", error=end))
        else:
            future.set_result(Outcome(state="complete", value=end))
        return future

    def outcome(self, future: "Future[Outcome]") -> Outcome:
        return future.result()


def test_a_search_repeats_itself_and_begins_with_what_is_declared(tmp_path: Path) -> None:
    first, again = (
        searched(plan_at(folder, searching(), trials=4)) for folder in folders(tmp_path, 2)
    )
    assert asked(first) == asked(again)
    assert [t.value for t in first.trials()] == [t.value for t in again.trials()]
    assert first.trials()[0].params["learning_rate"] == 1e-3
    assert len({t.params["learning_rate"] for t in first.trials()}) == 4


def test_no_two_trials_are_alike_though_nothing_is_declared(tmp_path: Path) -> None:
    spec = replace(searching(), hyperparameters={})
    study = searched(plan_at(tmp_path, spec, trials=6), Ends(*[0.5] * 6))
    assert len({tuple(trial.params.values()) for trial in study.trials()}) == 6


def test_a_search_in_two_halves_asks_for_the_same_as_one(tmp_path: Path) -> None:
    whole, halves = folders(tmp_path, 2)
    searched(plan_at(halves, searching(), trials=2))
    first, second = (searched(plan_at(folder, searching(), trials=5)) for folder in (whole, halves))
    assert asked(first) == asked(second)
    assert first.best().params == second.best().params


def test_a_search_that_is_over_trains_nothing(tmp_path: Path) -> None:
    plan = plan_at(tmp_path, searching(), trials=2)
    searched(plan, Ends(0.6, 0.7))
    idle = Ends()
    assert searched(plan, idle).best().value == 0.7
    assert idle.started == 0


def test_a_trial_that_was_killed_with_the_search_is_failed_and_tried_again(tmp_path: Path) -> None:
    plan = plan_at(tmp_path, searching(), trials=2)
    study = study_of(plan)
    study.begin()
    lost = study.ask()  # and the process is gone
    resumed = searched(plan, Ends(0.6, 0.7))
    assert states(resumed) == ["FAIL", "COMPLETE", "COMPLETE"]
    assert resumed.trials()[1].params == lost.params


def test_a_trial_whose_worker_dies_is_tried_again_until_it_is_known_to_kill(tmp_path: Path) -> None:
    plan = plan_at(tmp_path, searching(), trials=3)
    study = searched(plan, Ends(None, 0.6, *[None] * (RETRIES + 1), 0.7, 0.8))
    assert states(study).count("COMPLETE") == 3
    died = [t.params for t in study.trials() if t.state.name == "FAIL"]
    assert died[0] == study.trials()[1].params
    assert died[1:] == [died[1]] * (RETRIES + 1)


def test_an_error_of_one_trial_is_recorded_and_the_search_goes_on(tmp_path: Path) -> None:
    plan = plan_at(tmp_path, searching(), trials=3)
    study = searched(plan, Ends("the loss was never finite", 0.6, 0.7))
    assert states(study) == ["FAIL", "COMPLETE", "COMPLETE"]
    assert study.trials()[0].user_attrs["error"] == "the loss was never finite"


def test_errors_only_end_the_search_and_are_quoted(tmp_path: Path) -> None:
    plan = plan_at(tmp_path, searching(), trials=20)
    workers = Ends(*["hyperparameter 'depth' is unknown"] * 20)
    with pytest.raises(ValueError, match="has a value; the last said: hyperparameter 'depth'"):
        searched(plan, workers)
    assert workers.started == HOPELESS
    fixed = searched(replace(plan, trials=1), Ends(0.6))  # and are no obstacle afterwards
    assert fixed.best().value == 0.6


def test_a_trial_of_an_unknown_hyperparameter_says_so(tmp_path: Path) -> None:
    spec = searching(space={"depth": Choice(options=(1, 2))})
    with pytest.raises(ValueError, match="depth"):
        searched(plan_at(tmp_path, spec, trials=3))


def test_a_trial_that_falls_behind_is_given_up_and_never_the_best(tmp_path: Path) -> None:
    """Learning rates of nothing beside one that learns: the median gives them up early."""
    spec = searching(space={"learning_rate": Choice(options=(1e-2, 1e-9))}, pruner="median")
    spec = replace(spec, hyperparameters={"epochs": 5, "batch_size": 64, "learning_rate": 1e-2})
    told: list[Outcome] = []
    study = study_of(plan_at(tmp_path, spec, trials=12))
    search(
        plan_at(tmp_path, spec, trials=12),
        study,
        Here(TRAIN, VALIDATION),
        lambda trial, outcome: told.append(outcome),
    )
    pruned = [t for t in study.trials() if t.state.name == "PRUNED"]
    assert pruned
    assert {t.params["learning_rate"] for t in pruned} == {1e-9}
    assert study.best().params == {"learning_rate": 1e-2}
    assert all(len(o.history) < 5 for o in told if o.state == "pruned")
    assert study.done() == 12


def test_hyperband_gives_up_after_epochs_too(tmp_path: Path) -> None:
    spec = searching(pruner="hyperband")
    study = searched(plan_at(tmp_path, spec, trials=2))
    assert study.done() == 2


@pytest.mark.parametrize(
    ("metric", "better", "worse"), [("auc", 0.8, 0.6), ("log_loss", 0.5, 0.7), (None, 0.8, 0.6)]
)
def test_the_best_is_the_greatest_or_the_least_as_the_metric_says(
    metric: str | None, better: float, worse: float, tmp_path: Path
) -> None:
    plan = plan_at(tmp_path, searching(metric=metric), trials=3)
    study = searched(plan, Ends(worse, better, worse))
    found = found_by(study, plan.spec, "sha256:rows")
    assert (found["best_trial"], found["best_value"]) == (1, better)
    assert found["metric"] == f"validation_{metric or 'auc'}"
    assert found["trials"] == {"complete": 3}


def test_two_processes_train_at_once_and_each_trial_ends_once(
    processes: Processes, tmp_path: Path
) -> None:
    plan = plan_at(tmp_path, searching(pruner="median"), trials=5, jobs=2)
    study = searched(plan, processes)
    assert study.done() == len(study.trials()) == 5
    alone = searched(plan_at(folders(tmp_path, 1)[0], searching(), trials=1))
    assert study.trials()[0].value == alone.trials()[0].value


def test_a_process_killed_in_its_trial_costs_one_trial(
    processes: Processes, tmp_path: Path
) -> None:
    plan = plan_at(tmp_path, searching(), trials=3, jobs=2)
    processes.start(other_work(plan)).result()  # so that there is a process to kill
    os.kill(next(iter(processes._pool._processes)), signal.SIGKILL)
    study = searched(plan, processes)
    assert study.done() == 3
    assert set(states(study)) <= {"COMPLETE", "FAIL"}


def other_work(plan: Plan, **changes: Any) -> Work:
    """The work of a trial of another study."""
    study = study_of(plan, "flights.other-1")
    study.begin()
    trial = study.ask()
    assert plan.spec.search
    return Work(
        url=plan.url,
        study=study.name,
        trial_id=study.trial_id(trial.number),
        search=plan.spec.search,
        task="binary",
        metric="auc",
        recipe={**plan.recipe, "hyperparameters": {"epochs": 1}, **changes},
    )


def test_a_defect_in_a_trial_is_raised_and_not_taken_for_an_outcome(tmp_path: Path) -> None:
    work = other_work(plan_at(tmp_path, searching(), trials=1), numeric=None)
    with pytest.raises(TypeError):
        run(work, TRAIN, VALIDATION)


def test_a_study_is_searched_by_one_process_at_a_time(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    with (
        exclusively(settings, "flights.a-1"),
        exclusively(settings, "flights.b-1"),
        pytest.raises(ValueError, match=r"a search of flights\.a-1 is running"),
        exclusively(settings, "flights.a-1"),
    ):
        pass


@pytest.mark.parametrize(
    "changes",
    [
        {"space": {"hidden": Choice(options=(4, 8))}},
        {"metric": "log_loss"},
        {"pruner": "hyperband"},
    ],
)
def test_another_space_metric_or_pruner_is_another_search(changes: Mapping[str, Any]) -> None:
    assert space_digest(searching(**changes)) != space_digest(searching())


def test_more_trials_and_another_first_value_are_the_same_search() -> None:
    """A searched value is where the search begins; it decides nothing of what a trial gives."""
    spec = searching(trials=50)
    begun = replace(spec, hyperparameters={**spec.hyperparameters, "learning_rate": 0.02})
    assert space_digest(begun) == space_digest(searching())
    longer = replace(spec, hyperparameters={**spec.hyperparameters, "epochs": 3})
    assert space_digest(longer) != space_digest(searching())


def test_a_declared_space_is_optunas() -> None:
    found = distributions(
        {"a": Uniform(low=0.1, high=1.0, log=True), "b": Choice(options=("x", 2))}
    )
    assert repr(found["a"]) == "FloatDistribution(high=1.0, log=True, low=0.1, step=None)"
    assert repr(found["b"]) == "CategoricalDistribution(choices=('x', 2))"
    assert metric_of(searching()) == searching().gates[0].metric
    assert Search(space={}).trials == 20


def folders(root: Path, count: int) -> list[Path]:
    made = [root / f"store-{i}" for i in range(count)]
    for folder in made:
        folder.mkdir()
    return made
