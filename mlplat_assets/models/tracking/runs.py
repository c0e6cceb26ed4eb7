"""Experiment tracking: runs in MLflow, on a SQLite file or a server by URL. Telemetry stays off."""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlplat_assets.models.tracking.tracked_run import TrackedRun

if TYPE_CHECKING:
    from mlflow import MlflowClient

SQLITE = "sqlite:///"
# Names one training exactly; what was broken off is continued under it.
SUBJECT = "mlplat.subject"
PARENT = "mlflow.parentRunId"  # how MLflow's UI nests the trials of a search


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a run is about.

    Attributes:
        experiment: Name of the experiment, made if it does not exist; the model's `team.name`.
        name: Name of the run.
        key: Digest of all that decides the result. A run of the same key that was broken off,
            or failed, is continued.
        tags: Tags of the run.
        parent: Run id of the search that this is a trial of.
    """

    experiment: str
    name: str
    key: str
    tags: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None


def tracking_client(url: str) -> "MlflowClient":
    """A client of the tracking store at `url`; a SQLite file's folder is made if need be.

    Raises:
        ValueError: The URL is neither `sqlite:///PATH` nor `http(s)://` of an MLflow server.
    """
    if not url.startswith((SQLITE, "http://", "https://")):
        raise ValueError(f"tracking URL {url!r}: give {SQLITE}PATH or the http(s) URL of a server")
    os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="1")
    from mlflow import MlflowClient

    if url.startswith(SQLITE):
        Path(url.removeprefix(SQLITE)).resolve().parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # MLflow 3.17's own models still use the loader that SQLAlchemy 2.1 deprecates.
        warnings.filterwarnings("ignore", ".*noload.* loader strategy is deprecated")
        client = MlflowClient(tracking_uri=url)
        client.search_experiments(max_results=1)
    return client


def artefact_location(url: str) -> str | None:
    """Where plots of a SQLite store lie: beside the file. None where the server decides.

    MLflow's own default is a folder where the process happens to stand.
    """
    if not url.startswith(SQLITE):
        return None
    return (Path(url.removeprefix(SQLITE)).resolve().parent / "mlflow-artifacts").as_uri()


@contextmanager
def tracked(
    url: str, subject: Subject, clock: Callable[[], float] = time.time
) -> Iterator[TrackedRun]:
    """A run that ends as its `outcome` says if the block does, else FAILED with what broke it.

    `clock` gives seconds since 1970, for the times of metrics.

    Raises:
        ValueError: The URL names no tracking store.
    """
    client = tracking_client(url)
    experiment = _experiment(client, url, subject.experiment)
    run_id = _broken_off(client, experiment, subject) or _new(client, experiment, subject)
    run = TrackedRun(client, experiment, run_id, clock)
    try:
        yield run
    except BaseException as error:
        run.flush()
        client.set_tag(run_id, "mlplat.error", f"{type(error).__name__}: {error}"[:500])
        client.set_terminated(run_id, "FAILED")
        raise
    run.flush()
    client.set_terminated(run_id, run.outcome)


def log_evaluation(
    url: str, run_id: str, metrics: Mapping[str, float], plots: Mapping[str, bytes]
) -> None:
    """Add what a candidate proved on the holdout to the run that trained it, and PNGs by name.

    Metrics become `holdout_NAME`.
    """
    client = tracking_client(url)
    run = TrackedRun(client, client.get_run(run_id).info.experiment_id, run_id)
    run.metrics({f"holdout_{name}": value for name, value in metrics.items()}, step=0)
    run.flush()
    for name, png in plots.items():
        run.picture(name, png)


def _experiment(client: "MlflowClient", url: str, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client.create_experiment(name, artifact_location=artefact_location(url))
        except MlflowException:
            # Another process made it since; if it did not, that is what is wrong.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found.experiment_id


def _broken_off(client: "MlflowClient", experiment: str, subject: Subject) -> str | None:
    """The newest run of the same subject that did not finish, running again."""
    same = f"tags.`{SUBJECT}` = '{subject.key}' and attributes.status != 'FINISHED'"
    found = client.search_runs([experiment], same, max_results=1)
    if not found:
        return None
    run_id = found[0].info.run_id
    client.update_run(run_id, status="RUNNING")
    earlier = found[0].data.tags
    for name, value in subject.tags.items():
        if earlier.get(name) not in (None, value):
            client.set_tag(run_id, f"{name}.before", earlier[name])
        client.set_tag(run_id, name, value)
    if "mlplat.error" in earlier:
        client.delete_tag(run_id, "mlplat.error")
    return run_id


def _new(client: "MlflowClient", experiment: str, subject: Subject) -> str:
    tags = {**subject.tags, SUBJECT: subject.key}
    if subject.parent:
        tags[PARENT] = subject.parent
    return client.create_run(experiment, run_name=subject.name, tags=tags).info.run_id
