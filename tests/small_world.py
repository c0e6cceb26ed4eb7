"""A small but real world: seven weeks of real flights, two trained models, both in production.

Made by the platform's own assets, so what a test sees is what a user would get. The models learn
for one epoch on short splits; nothing else differs from the declared ones.
"""

import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from mlplat_assets.catalogue import catalogue
from mlplat_assets.definitions import assemble
from mlplat_assets.demo.plan import Days
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import Stage, key
from mlplat_assets.model_spec import ModelSpec, TimeSplit
from mlplat_assets.models.handoff import latest
from mlplat_assets.models.inputs import ModelInputs, model_inputs
from resources.artifacts import ArtifactStore, artifact_store
from resources.lake import Lake, lake_from
from resources.registry.registry import Registry, registry
from resources.settings import Settings, from_environment

ARRIVAL, DEPARTURE = "flights.arrival_delay", "flights.departure_delay"
DAYS = Days(first=date(2013, 1, 1), last=date(2013, 2, 20))
SPLIT = TimeSplit(train_days=20, validation_days=7, holdout_days=7)
ACTOR, APPROVER = "ana@flights.example.com", "dana@flights.example.com"
TRAINED: tuple[Stage, ...] = ("training_sets", "candidates", "evaluations", "versions")
SERVED: tuple[Stage, ...] = ("champions", "bentos", "endpoints")


@dataclass(kw_only=True)
class World:
    """The stores of one home folder and a catalogue of models that train in seconds."""

    settings: Settings
    catalogue: Catalogue
    lake: Lake
    registry: Registry
    artifacts: ArtifactStore
    instance: dg.DagsterInstance

    @property
    def home(self) -> Path:
        """The folder of every store."""
        return self.settings.home

    def model(self, name: str) -> tuple[Declared[ModelSpec], ModelInputs]:
        """A model as the world trains it, and its inputs."""
        declared = self.catalogue.models[name]
        return declared, model_inputs(declared, self.catalogue)

    def materialise(
        self,
        keys: Iterable[dg.AssetKey],
        days: Days | None = None,
        *,
        catalogue: Catalogue | None = None,
        raise_on_error: bool = True,
    ) -> dg.ExecuteInProcessResult:
        """One run over the assets, of all the days at once."""
        tags = {}
        if days is not None:
            tags["dagster/asset_partition_range_start"] = days.first.isoformat()
            tags["dagster/asset_partition_range_end"] = days.last.isoformat()
        job = assemble(catalogue or self.catalogue).resolve_implicit_global_asset_job_def()
        with in_environment(self.settings):
            return job.execute_in_process(
                instance=self.instance,
                asset_selection=list(keys),
                tags=tags,
                raise_on_error=raise_on_error,
            )

    def chain(self, name: str, stages: Iterable[Stage]) -> list[dg.AssetKey]:
        """A model's assets at the stages."""
        team, model = name.split(".")
        return [key(stage, team, model) for stage in stages]

    def metadata(self, stage: Stage, name: str) -> Any:
        """What the newest materialisation of a model's asset recorded."""
        return latest(self.instance, self.chain(name, [stage])[0])

    def training_rows(self, name: str) -> pl.DataFrame:
        """The frozen training set of a model."""
        digest = self.metadata("training_sets", name)["training_set_digest"]
        return pl.read_parquet(self.artifacts.get_file(digest))

    def digests(self, table: str) -> dict[date, str]:
        """The newest recorded digest of each day of a lake table."""
        found = self.lake.read(
            """select partition_day, arg_max(digest, recorded_at) as digest
               from lineage.partition_versions where table_name = ? group by 1 order by 1""",
            [table],
        ).to_pydict()
        return dict(zip(found["partition_day"], found["digest"], strict=True))

    def promote(self, name: str, number: int) -> None:
        """A person's decision, as `mlplat models promote` takes it."""
        self.registry.promote(
            name, number, actor=ACTOR, approver=APPROVER, reason="first of the small world"
        )


@contextmanager
def in_environment(settings: Settings) -> Iterator[None]:
    """The stores of a home by environment, as every run and child process finds them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.environment().items():
            patch.setenv(name, value)
        patch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
        yield


def small(declared: Catalogue) -> Catalogue:
    """The same catalogue with models that train for one epoch on short splits."""
    models = {
        name: replace(
            model,
            spec=replace(
                model.spec,
                split=SPLIT,
                # Fewer steps of 2,048 rows leave every probability below a half: no positives.
                hyperparameters={"epochs": 1, "batch_size": 256},
                gates=gates,
            ),
        )
        for name, model in declared.models.items()
        # Seven weeks teach too little for the declared floors; margins stay.
        for gates in [tuple(replace(g, floor=None, margin=0.0) for g in model.spec.gates)]
    }
    return replace(declared, models=models)


def settings_of(home: Path) -> Settings:
    """Every store embedded below a folder, whatever the machine's environment says."""
    return from_environment({"MLPLAT_HOME": str(home), "MLPLAT_ACTOR": ACTOR})


def open_world(home: Path, declared: Catalogue) -> World:
    """The stores of a home; call it inside `in_environment`."""
    settings = settings_of(home)
    versions = registry(settings.registry_url)
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    versions.migrate()
    return World(
        settings=settings,
        catalogue=declared,
        lake=lake_from(settings),
        registry=versions,
        artifacts=artifact_store(settings.artifacts_url, home / "cache"),
        instance=dg.DagsterInstance.get(),
    )


def copy_world(world: World, home: Path) -> World:
    """The same stores below another folder, to change at will; call it inside `in_environment`."""
    shutil.copytree(world.home, home, dirs_exist_ok=True)
    with closing(sqlite3.connect(home / "lake" / "catalog.sqlite")) as catalog, catalog:
        # The catalog records where its data lie.
        catalog.execute(
            "update ducklake_metadata set value = ? where key = 'data_path'",
            [f"{home / 'lake' / 'data'}/"],
        )
    return open_world(home, world.catalogue)


def build_world(home: Path) -> World:
    """Sources, features, labels, two trained models, and both served versions' Bentos."""
    world = open_world(home, small(catalogue()))
    declared = world.catalogue
    tables = [key("raw", d.team, d.name) for d in declared.sources.values()]
    tables += [key("features", d.team, d.name) for d in declared.views.values()]
    tables += [key("labels", d.team, d.name) for d in declared.labels.values()]
    world.materialise([*tables, key("staging", "flights", "decisions")], DAYS)
    for stages in (TRAINED, SERVED):
        world.materialise([k for m in (DEPARTURE, ARRIVAL) for k in world.chain(m, stages)])
        for name in (DEPARTURE, ARRIVAL):
            if world.registry.champion(name) is None:
                world.promote(name, 1)
    return world
