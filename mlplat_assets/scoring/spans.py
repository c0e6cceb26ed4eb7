"""Where spans of days are scored: in this process, or by tasks of a Ray cluster."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol

import pyarrow as pa

from mlplat_assets.catalogue import catalogue
from mlplat_assets.discovery import Catalogue
from mlplat_assets.models.evaluations.served import load
from mlplat_assets.models.ray_cluster import ray_cluster
from mlplat_assets.scoring.question import Days, Question, question_of
from mlplat_assets.scoring.scores import SCHEMA, Target, scored
from resources.artifacts import ArtifactStore, artifact_store
from resources.lake import Lake, lake_from
from resources.settings import Settings

Scored = Iterator[tuple[Days, Iterable[pa.Table]]]


class Scoring(Protocol):
    """Scores spans."""

    def __call__(self, spans: Sequence[Days]) -> Scored:
        """The scores of each span, in order."""
        ...


class Here:
    """One span after the other, one batch in memory."""

    def __init__(
        self, lake: Lake, artifacts: ArtifactStore, declared: Catalogue, target: Target
    ) -> None:
        self._lake, self._target = lake, target
        # One thread: more would split sums elsewhere than the service does.
        self._served = load(artifacts, target.artifact_digest, threads=1)
        self.question: Question = question_of(self._served, declared.models[target.model], declared)

    def __call__(self, spans: Sequence[Days]) -> Scored:
        """Score as the answer is read."""
        for days in spans:
            yield days, scored(self._lake, self._served, self.question, self._target, days)


class RayTasks:
    """Each span is a task; a few more than there are CPUs are under way at once."""

    def __init__(self, settings: Settings, target: Target) -> None:
        # What a task needs is read access to the stores; it decides nothing.
        self._settings, self._target = replace(settings, token=None), target

    def __call__(self, spans: Sequence[Days]) -> Scored:
        """The first spans come back while the next are scored."""
        import ray

        task: Any = ray.remote(num_cpus=1)(scored_by_task)
        ahead = int(ray.cluster_resources().get("CPU", 1)) + 1
        waiting: list[tuple[Days, Any]] = []
        for days in spans:
            waiting.append((days, task.remote(self._settings, self._target, days)))
            if len(waiting) > ahead:
                first, found = waiting.pop(0)
                yield first, [ray.get(found)]
        for days, found in waiting:
            yield days, [ray.get(found)]


def scored_by_task(settings: Settings, target: Target, days: Days) -> pa.Table:
    """The scores of a span, made on whatever machine; its stores must be reachable from there."""
    artifacts = artifact_store(settings.artifacts_url, settings.home / "cache")
    here = Here(lake_from(settings), artifacts, catalogue(), target)
    ((_, parts),) = here([days])
    return pa.concat_tables([SCHEMA.empty_table(), *parts])


@contextmanager
def on_ray(address: str, settings: Settings, target: Target) -> Iterator[Scoring]:
    """Tasks of a cluster, or of one that is started on this machine (`local`).

    Raises:
        ValueError: The extra is not installed.
    """
    with ray_cluster(address):
        yield RayTasks(settings, target)
