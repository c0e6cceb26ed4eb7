"""Experiment tracking: an MLflow logger for Lightning, on a SQLite file or a server by URL."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytorch_lightning.loggers import MLFlowLogger

SQLITE = "sqlite:///"


def tracking_logger(
    url: str, experiment: str, run_name: str, tags: Mapping[str, str] | None = None
) -> "MLFlowLogger":
    """A Lightning logger that writes to the tracking store at `url`; telemetry stays off.

    A SQLite file and its folder are made if need be, artefacts beside it in `mlflow-artifacts`:
    MLflow's own default is a folder where the process happens to stand.

    Args:
        url: `sqlite:///PATH` or `http(s)://` of an MLflow server.
        experiment: Name of the experiment, made if it does not exist; the model's `team.name`.
        run_name: Name of the run.
        tags: Tags of the run.

    Raises:
        ValueError: The URL is neither of the two.
    """
    if not url.startswith((SQLITE, "http://", "https://")):
        raise ValueError(f"tracking URL {url!r}: give {SQLITE}PATH or the http(s) URL of a server")
    os.environ.update(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="1")
    from pytorch_lightning.loggers import MLFlowLogger

    location = None
    if url.startswith(SQLITE):
        file = Path(url.removeprefix(SQLITE)).resolve()
        file.parent.mkdir(parents=True, exist_ok=True)
        location = (file.parent / "mlflow-artifacts").as_uri()
    with warnings.catch_warnings():
        # MLflow 3.17's own models still use the loader that SQLAlchemy 2.1 deprecates.
        warnings.filterwarnings("ignore", ".*noload.* loader strategy is deprecated")
        logger = MLFlowLogger(
            experiment_name=experiment,
            run_name=run_name,
            tracking_uri=url,
            tags=dict(tags or {}),
            artifact_location=location,
            log_model=False,
        )
    return logger
