"""Calibration: a map from what a module serves to probabilities that come true, in the same graph.

Temperature divides the logit by T (Guo et al. 2017, "On Calibration of Modern Neural Networks"):
one number, strictly monotone, so no ranking and no AUC changes. Isotonic (Zadrozny and Elkan 2002)
takes any monotone form, of a binary model only; it needs more rows and ties neighbours.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mlplat_assets.metrics import expected_calibration_error
from mlplat_assets.model_spec import Calibration

Floats = npt.NDArray[np.float64]
# Of float32 probabilities: the nearest to 1 below it that a logit can be taken of.
TINY = 1e-7
# Temperatures beyond say that the rows, not the model, are at fault.
COLDEST, HOTTEST = 0.05, 20.0


class Temperature(nn.Module):
    """Probabilities with their logits divided by a temperature."""

    temperature: Tensor

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.register_buffer("temperature", torch.tensor(temperature, dtype=torch.float32))

    def forward(self, probability: Tensor) -> Tensor:
        """[n] of the positive class, or [n, K] of all classes, to the same."""
        clipped = torch.clamp(probability, TINY, 1 - TINY)
        if probability.dim() > 1:
            return torch.softmax(torch.log(clipped) / self.temperature, 1)
        logit = torch.log(clipped) - torch.log(1 - clipped)
        return torch.sigmoid(logit / self.temperature)


class PiecewiseLinear(nn.Module):
    """A monotone map through knots, constant outside them.

    Written as a sum of ramps, one a segment, since ONNX has no search in a sorted array.
    """

    start: Tensor
    knots: Tensor
    widths: Tensor
    slopes: Tensor

    def __init__(self, knots: Floats, values: Floats) -> None:
        super().__init__()
        for name, numbers in (
            ("start", values[0]),
            ("knots", knots[:-1]),
            ("widths", np.diff(knots)),
            ("slopes", np.diff(values) / np.diff(knots)),
        ):
            self.register_buffer(name, torch.tensor(numbers, dtype=torch.float32))

    def forward(self, probability: Tensor) -> Tensor:
        """[n] to [n]."""
        beyond = torch.clamp(probability.unsqueeze(1) - self.knots, min=0.0)
        ramps = torch.minimum(beyond, self.widths) * self.slopes
        return torch.clamp(self.start + ramps.sum(1), 0.0, 1.0)


class Calibrated(nn.Module):
    """What is served: the module, then its calibration."""

    def __init__(self, module: nn.Module, calibration: nn.Module) -> None:
        super().__init__()
        self.module, self.calibration = module, calibration

    def forward(self, numeric: Tensor, categorical: Tensor) -> Tensor:
        """Calibrated probabilities."""
        return self.calibration(self.module(numeric, categorical))


def calibrated(
    module: nn.Module, kind: Calibration, truth: npt.ArrayLike, probabilities: npt.ArrayLike
) -> tuple[nn.Module, dict[str, Any]]:
    """The module with its calibration behind it, and what a card says of it.

    It is fitted on the earlier half of the rows, which are in the order of time, and its error is
    measured on the later half. Both halves also chose the epoch, one of a handful.

    Raises:
        ValueError: The earlier half has one class only.
    """
    if kind == "none":
        return module, {"kind": kind}
    actual, found = np.asarray(truth, np.float64), np.asarray(probabilities, np.float64)
    half = len(actual) // 2
    if len(np.unique(actual[:half])) < 2:
        raise ValueError(
            f"the earlier {half} validation rows hold one class only, which calibrates nothing; "
            "widen ModelSpec.split.validation_days, or set calibration to 'none'"
        )
    if kind == "temperature":
        part = Temperature(temperature(actual[:half], found[:half]))
        parameters: Mapping[str, Any] = {"temperature": float(part.temperature)}
    else:
        part = isotonic(actual[:half], found[:half])
        parameters = {"knots": len(part.knots) + 1}
    with torch.inference_mode():
        after = part(torch.from_numpy(found[half:]).float()).double().numpy()
    return Calibrated(module, part).eval(), {
        "kind": kind,
        "parameters": parameters,
        "rows": {"fitted": half, "measured": len(actual) - half},
        "ece_before": calibration_error(actual[half:], found[half:]),
        "ece_after": calibration_error(actual[half:], after),
    }


def temperature(truth: Floats, probabilities: Floats) -> float:
    """The T of the least log loss; that is convex in 1 / T, so there is one."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    clipped = np.clip(probabilities, TINY, 1 - TINY)
    both = clipped if clipped.ndim > 1 else np.stack([1 - clipped, clipped], 1)
    rows, logits = np.arange(len(truth)), np.log(both)

    def loss(inverse: float) -> float:
        return float(-log_softmax(logits * inverse, axis=1)[rows, truth.astype(np.int64)].mean())

    found = minimize_scalar(loss, bounds=(1 / HOTTEST, 1 / COLDEST), method="bounded")
    return float(1 / found.x)


def isotonic(truth: Floats, probabilities: Floats) -> PiecewiseLinear:
    """The monotone map of the least squared error, through scikit-learn's knots."""
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    fitted.fit(probabilities, truth)
    return PiecewiseLinear(
        np.asarray(fitted.X_thresholds_, np.float64), np.asarray(fitted.y_thresholds_, np.float64)
    )


def calibration_error(truth: Floats, probabilities: Floats) -> float:
    """The expected calibration error: of the positive class, or of the class that is decided."""
    if probabilities.ndim == 1:
        return expected_calibration_error(truth, probabilities)
    right = probabilities.argmax(1) == truth
    return expected_calibration_error(right, probabilities.max(1))
