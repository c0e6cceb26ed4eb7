"""Data-parallel training: the same fitting in several processes of a Ray cluster, as one training.

Each worker takes its share of every batch, and gradients are averaged before each step, so that
the weights are those of one process with the same batch size, but for the order of sums.
"""

import json
import math
import os
import tempfile
import uuid
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from safetensors.torch import load_file, save_file
from torch import Tensor

from mlplat_assets.metrics import score
from mlplat_assets.model_spec import Calibration
from mlplat_assets.models.artefact import learn_preprocessing
from mlplat_assets.models.trainers.calibration import calibrated
from mlplat_assets.models.trainers.feeding import predict
from mlplat_assets.models.trainers.fitting import Fitted, build, fit, posed
from mlplat_assets.models.trainers.learning import copied
from mlplat_assets.models.trainers.settings import Fitting

WEIGHTS, RESULT = "weights.safetensors", "result.json"


def fit_on_ray(
    train: pl.DataFrame,
    validation: pl.DataFrame,
    *,
    workers: int,
    storage: str,
    gpus: bool = False,
    **recipe: Any,
) -> Fitted:
    """Train with `workers` processes of the cluster that this process is connected to.

    `storage` is a folder or bucket that every machine of the cluster reaches: weights and history
    come back through it, as safetensors and JSON. `recipe` is what `fit` takes beside rows and
    folder.

    Raises:
        ray.train.TrainingFailedError: A worker failed; says how.
    """
    import ray

    # Ray gives workers a minute to import torch; on a busy machine that takes longer.
    os.environ["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = "600"
    rows = [ray.put(frame.to_arrow()) for frame in (train, validation)]
    with warnings.catch_warnings():
        # Ray 2.60 sets, and warns of, its own deprecated settings.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"ray\.")
        from ray.train import RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer

        result = TorchTrainer(
            train_share,
            train_loop_config={"rows": rows, "recipe": recipe},
            torch_config=TorchConfig(backend="nccl" if gpus else "gloo"),
            scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpus),
            # Ray goes on with a run of the same name, and would hand back what that one made.
            run_config=RunConfig(storage_path=storage, name=f"fit-{uuid.uuid4().hex}"),
        ).fit()
    assert result.checkpoint is not None  # reported by the first worker, else fit had raised
    with result.checkpoint.as_directory() as folder:
        weights = load_file(Path(folder) / WEIGHTS)
        told = json.loads((Path(folder) / RESULT).read_text())
    return restored(train, validation, weights, told, recipe)


def train_share(config: Mapping[str, Any]) -> None:
    """What each worker runs."""
    import ray
    from ray import train as ray_train
    from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment

    frames = [_frame(ray.get(part)) for part in config["rows"]]
    with tempfile.TemporaryDirectory(prefix="mlplat-") as folder:
        fitted = fit(
            frames[0],
            frames[1],
            folder=Path(folder) / "fit",
            # A worker that dies takes the others with it; the training begins anew.
            save_seconds=math.inf,
            strategy=RayDDPStrategy(cluster_environment=RayLightningEnvironment()),
            **config["recipe"],
        )
        if ray_train.get_context().get_world_rank() > 0:
            ray_train.report({})
            return
        report = Path(folder) / "report"
        report.mkdir()
        save_file(copied(fitted.module.state_dict()), report / WEIGHTS)
        told = {
            "history": fitted.history,
            "hyperparameters": fitted.hyperparameters,
            "trainer_digest": fitted.trainer_digest,
        }
        (report / RESULT).write_text(json.dumps(told))
        ray_train.report({}, checkpoint=ray_train.Checkpoint.from_directory(str(report)))


def restored(
    train: pl.DataFrame,
    validation: pl.DataFrame,
    weights: Mapping[str, Tensor],
    told: Mapping[str, Any],
    recipe: Mapping[str, Any],
) -> Fitted:
    """What the workers trained, in this process."""
    task = recipe["task"]
    settings, rest = Fitting.of(recipe["hyperparameters"])
    inputs = learn_preprocessing(train, recipe["numeric"], recipe["categorical"])
    auxiliary = recipe.get("auxiliary", ())
    (_, held), problem = posed(train, validation, inputs, recipe["label"], task, auxiliary)
    module = build(recipe["trainer"], problem, rest)
    module.load_state_dict(dict(weights))
    found, truth = predict(module, held, 4 * settings.batch_size).numpy(), held.target.numpy()
    kind: Calibration = "none" if task == "regression" else recipe.get("calibration", "none")
    served, said = calibrated(module, kind, truth, found)
    return Fitted(
        module=module,
        served=served,
        preprocessing=inputs,
        classes=problem.classes,
        history=told["history"],
        validation=score(task, truth, found),
        calibration=said,
        hyperparameters=told["hyperparameters"],
        trainer_digest=told["trainer_digest"],
        resumptions=0,
    )


def _frame(table: pa.Table) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(table))
