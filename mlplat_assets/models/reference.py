"""The reference profile of a version: its inputs, its answers, and whether those came true."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlplat_assets.assessment.answers import journalled
from mlplat_assets.assessment.calibration import CalibrationTable, calibration_table
from mlplat_assets.model_spec import ModelSpec, Task
from mlplat_assets.models.artefact import input_columns
from mlplat_assets.models.splits import Split
from mlplat_assets.monitoring.drift.profile import Profile, reference_profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bentos.model_server.artefact.predictor import Predictor
    from mlplat_assets.models.trainers.fitting import Fitted


def version_profile(
    spec: ModelSpec,
    columns: Sequence[str],
    parts: Split,
    truth: "NDArray",
    fitted: "Fitted",
    served: "Predictor",
) -> Profile:
    """The profile of what serves, over the training rows; its calibration, over validation.

    Args:
        spec: The model's declaration.
        columns: Its input columns.
        parts: The rows.
        truth: Labels of the validation rows, as `metrics.score` takes them.
        fitted: What was trained, and how it was calibrated.
        served: The form of it that serves.
    """
    profile = reference_profile(
        parts.train.select(columns),
        parts.train["event_timestamp"].dt.date(),
        journalled(served.predict(input_columns(parts.train, fitted.preprocessing))),
        quantile=spec.drift.quantile,
        segments=spec.drift.segments,
    )
    answers = served.predict(input_columns(parts.validation, fitted.preprocessing))
    table = unseen_calibration(spec.task, truth, answers, fitted.calibration)
    if table is not None:
        profile["calibration"] = table
    return profile


def unseen_calibration(
    task: Task, truth: "NDArray", answers: "NDArray", calibrated: Mapping[str, Any]
) -> CalibrationTable | None:
    """The table over the validation rows that calibration was not fitted on, which come last.

    `calibrated` is what the card says of calibration. Without one, all rows count.
    """
    fitted_on: int = calibrated.get("rows", {}).get("fitted", 0)
    return calibration_table(task, truth[fitted_on:], answers[fitted_on:])
