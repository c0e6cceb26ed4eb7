"""The asset `scores/<team>/<model>`: what a version predicts for decisions of the past."""

import time
from contextlib import nullcontext

import dagster as dg

from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.features.historical import lake_at
from mlplat_assets.keys import group, key, table
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.inputs import model_inputs
from mlplat_assets.partitions import SINGLE_RUN, daily, window
from mlplat_assets.scoring.question import Days
from mlplat_assets.scoring.scores import Target, spans
from mlplat_assets.scoring.spans import Here, on_ray
from mlplat_assets.scoring.writing import write_days
from resources.artifacts import ArtifactStore
from resources.lake import Lake
from resources.registry.reader import RegistryReader
from resources.registry.registry import Registry
from resources.settings import Settings


class ScoreRequest(dg.Config):
    """Which version scores, and where."""

    version: int | None = None
    """Any registered version; None is the champion."""
    ray: str | None = None
    """Address of a Ray cluster, or `local` for one of this machine; None scores in this process."""


def scores(model: Declared[ModelSpec], catalogue: Catalogue) -> dg.AssetsDefinition:
    """What a version predicts for the decisions of a span of days, by the day of the decision."""
    inputs = model_inputs(model, catalogue)
    label, name = inputs.label_table, table("scores", model.team, model.name)
    upstream = [key("versions", model.team, model.name), key("labels", label.team, label.name)]
    upstream += [key("features", view.team, view.name) for view, _ in inputs.views().values()]

    @dg.asset(
        key=key("scores", model.team, model.name),
        description="Predictions of one version for the decisions of the label table.",
        deps=upstream,
        partitions_def=daily(catalogue.teams[model.team]),
        backfill_policy=SINGLE_RUN,
        group_name=group("scores", model.team),
        owners=[catalogue.owner(model)],
        kinds={"onnx", "ducklake"},
    )
    def predicted(
        context: dg.AssetExecutionContext,
        config: ScoreRequest,
        lake: dg.ResourceParam[Lake],
        artifacts: dg.ResourceParam[ArtifactStore],
        registry: dg.ResourceParam[Registry],
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult:
        started = time.perf_counter()
        first, last = window(context)
        days = Days(first=first, last=last)
        target = _target(model, registry, config.version, lake.snapshot())
        here = Here(lake, artifacts, catalogue, target)
        with lake_at(lake, target.snapshot) as at:
            counts = here.question.count(at, days)
        ready = on_ray(config.ray, settings, target) if config.ray else nullcontext(here)
        written = []
        with ready as scoring:
            for span, parts in scoring(spans(days, counts)):
                written.append(write_days(lake, name, target, span, parts))
                context.log.info(f"{span.first} to {span.last}: {written[-1].rows} rows")
        versions = lake.record_partitions(name, first, last, run_id=context.run.run_id)
        rows, seconds = sum(one.rows for one in written), time.perf_counter() - started
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": rows,
                "version": target.version,
                "artifact_digest": target.artifact_digest,
                "lake_snapshot": target.snapshot,
                "days": len(versions),
                "days_replaced": sum(len(one.changed) for one in written),
                "seconds": round(seconds, 2),
                "rows_per_second": round(rows / seconds),
            }
        )

    return predicted


def _target(
    model: Declared[ModelSpec], registry: RegistryReader, number: int | None, snapshot: int
) -> Target:
    name = model.full_name
    version = registry.champion(name) if number is None else registry.version(name, number)
    if version is None:
        raise LookupError(
            f"{name} has no version in production; name one with --version, or promote one"
        )
    return Target(
        model=name,
        version=version.number,
        artifact_digest=version.artifact_digest,
        snapshot=snapshot,
    )
