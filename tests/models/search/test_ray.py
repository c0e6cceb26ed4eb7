"""A real Ray cluster of two workers on this machine: trials as tasks, and one training by both."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from mlplat_assets.models.ray_cluster import ray_cluster
from mlplat_assets.models.search.driver import search
from mlplat_assets.models.search.ray_workers import RayTasks
from mlplat_assets.models.search.workers import Here, WorkerDied
from mlplat_assets.models.trainers.fitting import fit
from mlplat_assets.models.trainers.on_ray import fit_on_ray
from tests.models.search.problem import RECIPE, TRAIN, VALIDATION, plan_at, searching, study_of

# Nothing random in a step: one process and two then do the same sums.
STILL: dict[str, Any] = {"epochs": 3, "batch_size": 100, "learning_rate": 0.01, "hidden": 8}
STILL |= {"dropout": 0.0, "blank": 0.0, "patience": 9}


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Ray with two CPUs on the loopback interface, ended with all its processes.

    Ray is imported before, without what the cluster says by environment, as by another library.
    """
    pytest.importorskip("ray")
    with ray_cluster("local", cpus=2):
        yield


def test_the_cluster_listens_on_this_machine_only(cluster: None) -> None:
    family = psutil.Process().children(recursive=True)
    listening = [
        connection.laddr.ip
        for process in family
        for connection in process.net_connections("inet")
        if connection.status == "LISTEN"
    ]
    assert listening
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}


def test_a_search_on_ray_is_the_search_of_this_process(cluster: None, tmp_path: Path) -> None:
    """One at a time: asked in the same order, trained elsewhere with the same result."""
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    here = plan_at(tmp_path / "here", searching(pruner="median"), trials=3)
    there = plan_at(tmp_path / "there", searching(pruner="median"), trials=3)
    alone, spread = study_of(here), study_of(there)
    search(here, alone, Here(TRAIN, VALIDATION), lambda trial, outcome: None)
    search(there, spread, RayTasks(TRAIN, VALIDATION), lambda trial, outcome: None)
    assert [(t.params, t.value) for t in spread.trials()] == [
        (t.params, t.value) for t in alone.trials()
    ]
    # Two at a time, and the study goes on where it was.
    more = plan_at(tmp_path / "there", searching(pruner="median"), trials=6, jobs=2)
    search(more, spread, RayTasks(TRAIN, VALIDATION), lambda trial, outcome: None)
    assert spread.done() == len(spread.trials()) == 6


def test_a_task_whose_process_is_killed_is_a_worker_that_died(cluster: None) -> None:
    import ray

    workers = RayTasks(TRAIN, VALIDATION)
    workers._task = ray.remote(max_retries=0)(killed)
    with pytest.raises(WorkerDied):
        workers.outcome(workers.start(None))  # pyright: ignore[reportArgumentType]


def killed(*_: object) -> None:
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


def test_two_workers_train_one_network_as_one_process_does(cluster: None, tmp_path: Path) -> None:
    """Each sees half of every batch; averaged gradients are those of the whole."""
    recipe = {**RECIPE, "hyperparameters": STILL}
    alone = fit(TRAIN, VALIDATION, folder=tmp_path / "alone", **recipe)
    both = fit_on_ray(TRAIN, VALIDATION, workers=2, storage=str(tmp_path / "both"), **recipe)
    assert both.epochs == alone.epochs == 3
    expected = alone.module.state_dict()
    for name, value in both.module.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-5)
    for one, two in zip(alone.history, both.history, strict=True):
        assert two["validation_loss"] == pytest.approx(one["validation_loss"], rel=1e-4)
    assert both.validation == pytest.approx(alone.validation, rel=1e-3)
    half = fit(TRAIN[:300], VALIDATION, folder=tmp_path / "half", **recipe)
    close = [
        torch.allclose(v, expected[n], 1e-4, 1e-5) for n, v in half.module.state_dict().items()
    ]
    assert not all(close)  # which the tolerance would have seen
