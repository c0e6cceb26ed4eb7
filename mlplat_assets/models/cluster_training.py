"""Training a candidate by several processes of a Ray cluster, when a run asks for it."""

import tempfile
from typing import TYPE_CHECKING

import dagster as dg

from mlplat_assets.discovery import Declared
from mlplat_assets.model_spec import ModelSpec
from mlplat_assets.models.inputs import ModelInputs
from mlplat_assets.models.ray_cluster import ray_cluster
from mlplat_assets.models.splits import Split
from mlplat_assets.models.tracking.training_run import fit_arguments

if TYPE_CHECKING:
    from mlplat_assets.models.trainers.fitting import Fitted


class TrainingRequest(dg.Config):
    """Where one candidate is trained."""

    ray: str | None = None
    """Address of a Ray cluster, or `local` for one of this machine; None trains in this process."""
    workers: int = 2
    """How many processes of the cluster take a share of every batch. Sums in their order: the
    weights are those of one process within rounding, and repeat with the same number."""
    storage: str | None = None
    """Folder or bucket that every machine of the cluster reaches; needed beyond this one."""


def fit_on_cluster(
    model: Declared[ModelSpec],
    inputs: ModelInputs,
    parts: Split,
    request: TrainingRequest,
) -> "Fitted":
    """Fit a model as its spec says, by the workers that the run asks for."""
    from mlplat_assets.models.trainers.on_ray import fit_on_ray

    assert request.ray is not None  # else the run trains here
    with tempfile.TemporaryDirectory(prefix="mlplat-ray-") as here, ray_cluster(request.ray):
        return fit_on_ray(
            parts.train,
            parts.validation,
            workers=request.workers,
            storage=request.storage or here,
            **fit_arguments(model.spec, inputs),
            hyperparameters=dict(model.spec.hyperparameters),
            calibration=model.spec.calibration,
        )
