"""What the run of a training is called, what marks it, and what it learns from and by."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from mlplat_assets.discovery import Declared
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.inputs import ModelInputs
from mlplat_assets.models.lineage.provenance import code_version, uncommitted_changes
from mlplat_assets.models.tracking.runs import Subject
from mlplat_assets.models.tracking.tracked_run import Data
from mlplat_assets.models.training_sets import LABEL
from resources.digests import digest
from resources.settings import REPOSITORY, Settings


def training_subject(
    model: Declared[ModelSpec],
    manifest: Mapping[str, Any],
    settings: Settings,
    run_id: str,
) -> Subject:
    """The training of a model on a frozen training set by a run of Dagster."""
    spec = model.spec
    decided = {
        "model": model.full_name,
        "training_set_digest": manifest["training_set_digest"],
        "trainer": spec.trainer,
        "hyperparameters": dict(spec.hyperparameters),
        "seed": spec.seed,
    }
    return Subject(
        experiment=model.full_name,
        name=run_id[:8],
        key=digest(decided),
        tags={**marks(model, manifest), **dagster_link(settings, run_id)},
    )


def marks(model: Declared[ModelSpec], manifest: Mapping[str, Any]) -> dict[str, str]:
    """What every run of a model is found by: team, training set, code."""
    code = code_version(REPOSITORY, uncommitted_changes(REPOSITORY))
    found = {"team": model.team, "training_set_digest": manifest["training_set_digest"]}
    if code["code_commit"]:
        # MLflow's own name, by which its UI shows the source.
        found["mlflow.source.git.commit"] = str(code["code_commit"])
        found["code_dirty"] = str(code["code_dirty"]).lower()
    return found


def dagster_link(settings: Settings, run_id: str) -> dict[str, str]:
    """The run of Dagster, as tags and as a link in the description that MLflow's UI shows."""
    page = f"{settings.dagster_url.rstrip('/')}/runs/{run_id}"
    note = f"Made by [Dagster run {run_id[:8]}]({page})."
    return {"dagster_run_id": run_id, "dagster_run": page, "mlflow.note.content": note}


def training_data(manifest: Mapping[str, Any], train: pl.DataFrame) -> Data:
    """The frozen training set as a run's input; `train` are the rows that are learned from."""
    return Data(
        name=manifest["model"],
        digest=manifest["training_set_digest"],
        lake_snapshot=manifest["lake_snapshot"],
        rows=train.height,
        columns={name: str(kind) for name, kind in train.schema.items()},
    )


def fit_arguments(spec: ModelSpec, inputs: ModelInputs) -> dict[str, Any]:
    """What `fit` takes of a model, beside rows, folder, hyperparameters and calibration."""
    return {
        "trainer": spec.trainer,
        "label": LABEL,
        "task": spec.task,
        "numeric": inputs.numeric,
        "categorical": inputs.categorical,
        "auxiliary": inputs.auxiliary,
        "seed": spec.seed,
    }
