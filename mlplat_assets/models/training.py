"""The asset `candidates/<team>/<model>`: a trained network as a content-addressed artefact."""

import json
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from mlplat_assets.automation import follow
from mlplat_assets.discovery import Catalogue, Declared
from mlplat_assets.keys import group, key
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.cluster_training import TrainingRequest, fit_on_cluster
from mlplat_assets.models.handoff import author, latest
from mlplat_assets.models.inputs import ModelInputs, model_inputs, serving_schema
from mlplat_assets.models.lineage.accounts import accounted
from mlplat_assets.models.lineage.record import training_lineage
from mlplat_assets.models.search.result import newest_search, with_best
from mlplat_assets.models.splits import Split, split
from mlplat_assets.models.tracking.tracked_run import TrackedRun
from mlplat_assets.models.tracking.training_run import (
    fit_arguments,
    training_data,
    training_subject,
)
from mlplat_assets.models.training_sets import LABEL
from resources.artifacts import ArtifactStore
from resources.settings import Settings

if TYPE_CHECKING:
    from mlplat_assets.models.trainers.fitting import Fitted


def candidate(model: Declared[ModelSpec], catalogue: Catalogue) -> dg.AssetsDefinition:
    """A model trained on the newest training set, not yet evaluated."""
    inputs = model_inputs(model, catalogue)
    upstream = key("training_sets", model.team, model.name)
    searched = [key("searches", model.team, model.name)] if model.spec.search else []

    @dg.asset(
        key=key("candidates", model.team, model.name),
        description=f"A trained network with its card. {model.docstring}",
        deps=[upstream, *searched],
        group_name=group("candidates", model.team),
        owners=[catalogue.owner(model)],
        kinds={"pytorch", "onnx"},
        automation_condition=follow(),
    )
    @accounted(model, "candidates")
    def trained(
        context: dg.AssetExecutionContext,
        config: TrainingRequest,
        artifacts: dg.ResourceParam[ArtifactStore],
        settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult:
        started = time.monotonic()
        manifest = read_manifest(artifacts, latest(context.instance, upstream))
        parts = read_split(model, manifest, artifacts)
        with tempfile.TemporaryDirectory(prefix="mlplat-") as scratch:
            best = newest_search(context.instance, model)
            tried = with_best(model, best)
            fitted, tracking = train(
                tried, inputs, parts, manifest, settings, context.run.run_id, config
            )
            lineage = training_lineage(
                model, manifest, fitted.hyperparameters, artifacts, settings
            ) | {
                "trainer_digest": fitted.trainer_digest,
                "weights_digest": fitted.weights_digest,
                "resumptions": fitted.resumptions,
                "search": best,
                "workers": config.workers if config.ray else 1,
                "run_ids": {
                    "training_set": manifest["run_id"],
                    "candidate": context.run.run_id,
                    "mlflow": tracking.run_id,
                },
                "author": author(context, settings.actor),
                "duration_seconds": round(time.monotonic() - started, 1),
            }
            digest = _package(
                model, inputs, manifest, parts, fitted, lineage, artifacts, Path(scratch)
            )
        return dg.MaterializeResult(
            metadata={
                "artifact_digest": digest,
                "training_set_digest": manifest["training_set_digest"],
                "manifest_digest": latest(context.instance, upstream)["manifest_digest"],
                "author": lineage["author"],
                "epochs": fitted.epochs,
                "weights_digest": fitted.weights_digest,
                "resumptions": fitted.resumptions,
                "training_seconds": lineage["duration_seconds"],
                "periods": dg.MetadataValue.json({k: str(p) for k, p in parts.periods.items()}),
                **{f"validation_{name}": value for name, value in fitted.validation.items()},
                "history": dg.MetadataValue.json(fitted.history),
                "lineage": dg.MetadataValue.json(lineage),
                "mlflow_run_id": tracking.run_id,
                "mlflow_run": dg.MetadataValue.url(tracking.link(settings.tracking_ui)),
            }
        )

    return trained


def read_manifest(artifacts: ArtifactStore, handed: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of a frozen training set, digest verified."""
    return json.loads(artifacts.get_bytes(handed["manifest_digest"]))


def read_split(
    model: Declared[ModelSpec], manifest: Mapping[str, Any], artifacts: ArtifactStore
) -> Split:
    """The frozen rows, digest verified, cut by the model's time split."""
    frame = pl.read_parquet(artifacts.get_file(manifest["training_set_digest"]))
    return cut(model, frame, manifest["as_of"])


def cut(model: Declared[ModelSpec], frame: pl.DataFrame, as_of: str) -> Split:
    """Training rows in parts, by the model's time split; `as_of` is a UTC time without a zone."""
    classifier = LABEL if model.spec.task != "regression" else None
    end = datetime.fromisoformat(as_of).replace(tzinfo=UTC)
    return split(frame, model.spec.split, as_of=end, label=classifier)


def train(
    model: Declared[ModelSpec],
    inputs: ModelInputs,
    parts: Split,
    manifest: Mapping[str, Any],
    settings: Settings,
    run_id: str,
    request: TrainingRequest,
) -> "tuple[Fitted, TrackedRun]":
    """Fit the trainer that the spec names, or go on where a killed one was; its run in MLflow."""
    from mlplat_assets.models.tracking.history_plot import history_plot
    from mlplat_assets.models.tracking.runs import tracked

    folder = settings.home / "checkpoints" / model.full_name
    subject = training_subject(model, manifest, settings, run_id)
    with tracked(settings.tracking_url, subject) as run:
        run.learns_from(training_data(manifest, parts.train))
        if request.ray:
            fitted = fit_on_cluster(model, inputs, parts, request)
        else:
            fitted = fit_model(model, inputs, parts, model.spec.hyperparameters, folder, run)
        found = {f"validation_{name}": value for name, value in fitted.validation.items()}
        run.metrics(found, step=fitted.epochs)
        run.picture("history", history_plot(fitted.history, title=model.full_name))
    return fitted, run


def fit_model(
    model: Declared[ModelSpec],
    inputs: ModelInputs,
    parts: Split,
    hyperparameters: Mapping[str, Any],
    folder: Path,
    run: TrackedRun | None = None,
) -> "Fitted":
    """Fit a model to its training rows, as its spec says; a run is told how it goes."""
    from mlplat_assets.models.trainers.fitting import fit
    from mlplat_assets.models.trainers.tracked import RunLogger, StepCurve

    return fit(
        parts.train,
        parts.validation,
        **fit_arguments(model.spec, inputs),
        hyperparameters=hyperparameters,
        calibration=model.spec.calibration,
        folder=folder,
        logger=RunLogger(run) if run else None,
        callbacks=[StepCurve()] if run else [],
    )


def _package(
    model: Declared[ModelSpec],
    inputs: ModelInputs,
    manifest: Mapping[str, Any],
    parts: Split,
    fitted: "Fitted",
    lineage: dict[str, Any],
    artifacts: ArtifactStore,
    scratch: Path,
) -> str:
    """Write the artefact: first without a card, to profile what it predicts, then with it."""
    from bentos.model_server.artefact.predictor import Predictor
    from mlplat_assets.models.artefact import write_artefact
    from mlplat_assets.models.reference import version_profile
    from mlplat_assets.models.variants import build_variants, measured_rows

    folder = write_artefact(scratch / "bare", fitted, {})
    rows = measured_rows(fitted, parts.validation, model.spec.task)
    forms = build_variants(folder, model.spec, rows)
    bare = Predictor.load(folder, threads=2, variant=forms.served)
    columns = [*inputs.numeric, *inputs.categorical]
    card = {
        "format": 1,
        "model": model.full_name,
        "task": model.spec.task,
        **serving_schema(model, inputs),
        "on_demand": manifest["on_demand"],
        "classes": list(fitted.classes),
        "calibration": fitted.calibration,
        "profile": version_profile(model.spec, columns, parts, rows.truth, fitted, bare),
        **forms.card(),
        "lineage": lineage,
        "training": {
            "rows": {
                "train": parts.train.height,
                "validation": parts.validation.height,
                "holdout": parts.holdout.height,
            },
            "periods": {name: period.iso() for name, period in parts.periods.items()},
            "validation": fitted.validation,
            "epochs": fitted.epochs,
        },
    }
    sources = {e["source"]: artifacts.get_bytes(e["digest"]) for e in manifest["on_demand"]}
    sources |= forms.files(folder)
    return artifacts.put_folder(write_artefact(scratch / "artefact", fitted, card, sources))
