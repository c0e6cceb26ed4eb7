"""One look at everything that is watched: checks, runs, rollouts and what monitoring wrote."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from mlplat_assets.alerts.check_findings import examinations, watched_checks
from mlplat_assets.alerts.days import news
from mlplat_assets.alerts.drift_findings import drift_examinations
from mlplat_assets.alerts.findings import Examination
from mlplat_assets.alerts.names import watched
from mlplat_assets.alerts.performance_findings import performance_examinations
from mlplat_assets.alerts.rollout_findings import rollout_examinations
from mlplat_assets.alerts.rules import steps
from mlplat_assets.alerts.run_findings import finished_runs, missed_runs
from mlplat_assets.alerts.seen import Seen
from mlplat_assets.discovery import Catalogue
from mlplat_assets.keys import key
from resources.alerts.book import Route
from resources.alerts.records import Step
from resources.lake import Lake
from resources.registry.registry import Registry

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Where findings come from, and what is declared."""

    instance: dg.DagsterInstance
    graph: "BaseAssetGraph"
    lake: Lake
    declared: Catalogue

    def look(
        self, registry: Registry, before: Seen, now: datetime
    ) -> tuple[list[Examination], Seen]:
        """Everything that was found since the last look, and where the next one begins."""
        snapshot = self.lake.snapshot()
        by_day = [] if snapshot == before.snapshot else self._lake(before)
        examined = [
            *examinations(
                self.instance, watched_checks(self.graph), readers(self.graph, self.declared),
                self.declared,
            ),
            *finished_runs(self.instance, before.runs_since(now)),
            *missed_runs(self.instance, self.declared, now),
            *rollout_examinations(registry.rollouts.rolled_back(), registry.coronations()),
            *by_day,
        ]  # fmt: skip
        return examined, before.after(by_day, snapshot, now)

    def settle(
        self, registry: Registry, route: Route, before: Seen, now: datetime
    ) -> tuple[list[Step], Seen]:
        """Look, and write into the registry's book what becomes of the alerts."""
        examined, after = self.look(registry, before, now)
        decide = partial(steps, examined=examined, watched=watched(self.declared), now=now)
        return registry.alerts.settle(decide, route, now), after

    def _lake(self, before: Seen) -> list[Examination]:
        models = [(model.team, model.name) for model in self.declared.models.values()]
        found = [
            *drift_examinations(self.lake, models, before.days),
            *performance_examinations(self.lake, models, before.days),
        ]
        return news(found, before.days)


def readers(graph: "BaseAssetGraph", declared: Catalogue) -> dict[dg.AssetKey, tuple[str, ...]]:
    """The models whose training or answers read each table, by its key."""
    found: dict[dg.AssetKey, tuple[str, ...]] = {}
    for model in sorted(declared.models.values(), key=lambda each: each.full_name):
        learns_from = key("training_sets", model.team, model.name)
        if graph.has(learns_from):
            for upstream in graph.get_ancestor_asset_keys(learns_from):
                found[upstream] = (*found.get(upstream, ()), model.full_name)
    return found
