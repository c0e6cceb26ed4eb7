"""The dbt project as assets: staging, feature views and labels, tests as blocking checks."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DbtCliInvocation,
    DbtCliResource,
    DbtProject,
    dbt_assets,
)

from mlplat_assets.discovery import Catalogue, Team
from mlplat_assets.features.column_lineage import of_aggregates, of_model
from mlplat_assets.features.manifest import DBT_PROJECT, MANIFEST
from mlplat_assets.features.partition_report import record
from mlplat_assets.features.view_versions import DBT_STAGES, record_definition, view_digest
from mlplat_assets.keys import group, key, table
from mlplat_assets.partitions import SINGLE_RUN, daily, window
from resources.lake import Lake
from resources.lake_attachment import install_extensions
from resources.settings import Settings


class Translator(DagsterDbtTranslator):
    """Names dbt nodes the way `keys` does, and gives them their team's owner."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Remember whose teams these are."""
        super().__init__()
        self._catalogue = catalogue

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """The default spec with our key, group, owner and, of a view, its definition."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        stage, team, name = spec.key.path
        owner = self._catalogue.teams[team].owner
        view = self._catalogue.views.get(f"{team}.{name}") if stage == "features" else None
        if view is not None:
            spec = spec.replace_attributes(code_version=view_digest(view))
        return spec.replace_attributes(group_name=group(stage, team), owners=[owner])  # type: ignore[arg-type]

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """`ftr_flights__weather` is features/flights/weather; a source is raw."""
        if dbt_resource_props["resource_type"] == "source":
            return key("raw", dbt_resource_props["source_name"], dbt_resource_props["name"])
        prefix, rest = dbt_resource_props["name"].split("_", 1)
        team, name = rest.split("__", 1)
        return key(DBT_STAGES[prefix], team, name)

    def get_asset_check_spec(self, *args: Any, **kwargs: Any) -> dg.AssetCheckSpec | None:
        """A dbt test blocks what lies downstream of the model it tests."""
        spec = super().get_asset_check_spec(*args, **kwargs)
        return spec and spec._replace(blocking=True)


def dbt_team(team: Team, catalogue: Catalogue) -> dg.AssetsDefinition:
    """All dbt models of one team; a run builds the selected ones over its window of days.

    Raises:
        FileNotFoundError: dbt's manifest was not built.
    """
    if not MANIFEST.exists():
        raise FileNotFoundError(f"{MANIFEST} is missing; build it with `make manifest`")
    folders = " ".join(f"fqn:mlplat.{stage}.{team.name}" for stage in DBT_STAGES.values())

    @dbt_assets(
        manifest=MANIFEST,
        select=folders,
        name=f"dbt_{team.name}",
        partitions_def=daily(team),
        backfill_policy=SINGLE_RUN,
        dagster_dbt_translator=Translator(catalogue),
    )
    def models(
        context: dg.AssetExecutionContext,
        dbt: DbtCliResource,
        lake: dg.ResourceParam[Lake],
        settings: dg.ResourceParam[Settings],
    ) -> Iterator[Any]:
        install_extensions()
        # Events wait until dbt has ended: it holds the writer's lock that digesting needs.
        with lake.lock(), _window_in_environment(settings, *window(context)):
            dbt_run = dbt.cli(["build"], context=context, raise_on_error=False)
            events = list(dbt_run.stream())
        for event in events:
            if isinstance(event, dg.Output):
                _report(context, lake, catalogue, dbt_run, event)
        yield from events
        # Raised after the events: that a test failed must be on record for those who wait for it.
        if error := dbt_run.get_error():
            raise error

    return models


def _report(
    context: dg.AssetExecutionContext,
    lake: Lake,
    catalogue: Catalogue,
    dbt_run: DbtCliInvocation,
    built: dg.Output,
) -> None:
    """Record what dbt built: its days' digests, its definition, where its columns come from."""
    asset_key = context.asset_key_for_output(built.output_name)
    stage, team, name = asset_key.path
    table_name = table(stage, team, name)  # type: ignore[arg-type]
    metadata: dict[str, dg.MetadataValue] = {}
    if stage in ("features", "labels"):
        metadata = record(lake, table_name, window(context), context.run.run_id)
    view = catalogue.views.get(f"{team}.{name}") if stage == "features" else None
    if view is not None:
        record_definition(lake, view, context.run.run_id)
    if view is not None and view.spec.aggregates is not None:
        lineage = of_aggregates(view.spec, view.spec.aggregates)
    else:
        node = dbt_run.manifest["nodes"][str(built.metadata["unique_id"].value)]
        path = node["original_file_path"]
        compiled = dbt_run.target_path / "compiled" / node["package_name"] / path
        lineage = of_model(lake, table_name, DBT_PROJECT, DBT_PROJECT / path, compiled)
    context.add_asset_metadata(metadata | lineage.metadata(), asset_key)


def dbt_resource() -> DbtCliResource:
    """The dbt command line of this environment on this project."""
    return DbtCliResource(
        project_dir=str(DBT_PROJECT),
        profiles_dir=str(DBT_PROJECT),
        # Beside the interpreter: a virtual environment need not be on the PATH.
        dbt_executable=str(Path(sys.executable).parent / "dbt"),
    )


@contextmanager
def _window_in_environment(settings: Settings, first: date, last: date) -> Iterator[None]:
    """Give dbt, a child process, the stores and the window by environment.

    Changed `--vars` would make it parse the whole project again (6 s instead of 4).
    """
    before = dict(os.environ)
    os.environ.update(settings.environment())
    os.environ.update(MLPLAT_WINDOW_FIRST=first.isoformat(), MLPLAT_WINDOW_LAST=last.isoformat())
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
