"""Forms of a network that can serve: ONNX with 32-bit floats, and with 8-bit integers if declared.

Each is measured beside PyTorch on the validation rows: the greatest difference of a prediction,
what the primary metric loses, size and speed. A form that fails its bound is recorded, with the
reason, and not kept.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from bentos.model_server.artefact.predictor import GRAPHS
from bentos.model_server.runtime.cpu import graph_session
from mlplat_assets.model_spec import ModelSpec, Task
from mlplat_assets.models.evaluations.variants import compare_variants
from mlplat_assets.models.training_sets import LABEL
from mlplat_assets.statistics.intervals import Units, days_of
from resources.digests import digest_of_file

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

    from mlplat_assets.models.trainers.fitting import Fitted

# Sums in another order differ by some 1e-7 of the greatest term; 1e-5 is no rounding.
PARITY = 1e-5
_CALLS, _ROWS = 200, 4096


class GraphDiffers(ValueError):
    """The exported graph is another function than the network that was trained."""


@dataclass(frozen=True, kw_only=True)
class VariantReport:
    """One form of a network, as its card records it.

    Attributes:
        name: `fp32` or `int8`.
        file: Its name in the artefact.
        digest: Of the file.
        size: Bytes.
        difference: The greatest difference of a prediction from PyTorch's.
        batch_difference: The greatest difference of a row's prediction alone and in a batch.
            Above zero for 8 bits, whose scale is that of the greatest activation of a batch.
        metric: The primary metric.
        loss: What it loses, and both ends of the 95% interval; positive is worse.
        microseconds: Median time of one row, on one thread.
        rows_per_second: Throughput of batches of 4,096 rows, on one thread.
        usable: Whether it may serve.
        reason: Why, or why not.
    """

    name: str
    file: str
    digest: str
    size: int
    difference: float
    batch_difference: float
    metric: str
    loss: tuple[float, float, float]
    microseconds: float
    rows_per_second: float
    usable: bool
    reason: str

    def json(self) -> dict[str, Any]:
        """As a card holds it."""
        return {**asdict(self), "loss": list(self.loss)}


@dataclass(frozen=True, kw_only=True)
class Forms:
    """All forms of a network that were made, the first of them `fp32`, and which one serves."""

    reports: tuple[VariantReport, ...]
    served: str

    def card(self) -> dict[str, Any]:
        """What the card says of them; the predictor reads `variant`."""
        return {"variant": self.served, "variants": [report.json() for report in self.reports]}

    def files(self, folder: Path) -> dict[str, bytes]:
        """The files beside `model.onnx` that belong into the artefact, by name."""
        kept = [report.file for report in self.reports[1:] if report.usable]
        return {name: (folder / name).read_bytes() for name in kept}


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows that variants are measured on.

    Attributes:
        inputs: By the graph's input: `numeric` float32 [n, N], `categorical` int64 [n, C].
        truth: The label, as `metrics.score` takes it.
        reference: PyTorch's predictions, [n] or [n, K].
        units: What chance draws, for the interval of the loss.
    """

    inputs: Mapping[str, "NDArray"]
    truth: "NDArray"
    reference: "NDArray"
    units: Units


def measured_rows(fitted: "Fitted", frame: pl.DataFrame, task: Task) -> Rows:
    """Rows of a frame with what PyTorch predicts for them."""
    from mlplat_assets.models.trainers.feeding import predict, tensors

    held = tensors(frame, fitted.preprocessing, LABEL, task, classes=fitted.classes)
    return Rows(
        inputs={"numeric": held.numeric.numpy(), "categorical": held.categorical.numpy()},
        truth=held.target.numpy(),
        reference=predict(fitted.served, held, _ROWS).numpy(),
        units=days_of(frame["event_timestamp"].dt.date().to_list()),
    )


def build_variants(folder: Path, spec: ModelSpec, rows: Rows) -> Forms:
    """Make the declared form beside `model.onnx` in an artefact folder, measure and judge them.

    A refused one is removed from the folder, and does not serve though it is declared to.

    Raises:
        GraphDiffers: `model.onnx` itself differs from PyTorch.
    """
    reports = [measured("fp32", folder, spec, rows, tolerance=None)]
    if not reports[0].usable:
        raise GraphDiffers(f"model.onnx: {reports[0].reason}; the exporter lost an operation")
    if spec.int8 is None:
        return Forms(reports=tuple(reports), served="fp32")
    quantise(folder / GRAPHS["fp32"], folder / GRAPHS["int8"])
    reports.append(measured("int8", folder, spec, rows, tolerance=spec.int8.tolerance))
    if not reports[1].usable:
        (folder / reports[1].file).unlink()
    serves = reports[1].usable and spec.int8.serves
    return Forms(reports=tuple(reports), served="int8" if serves else "fp32")


def quantise(source: Path, target: Path) -> None:
    """Write a graph with the weights of its matrix products in 8 bits.

    7 bits of each are used: on processors without VNNI, products of 8 bits saturate in pairs, and
    what was measured here would not be what is served there.
    """
    import tempfile

    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory(prefix="mlplat-") as scratch:
        prepared = Path(scratch) / "prepared.onnx"
        # Its shape inference by symbols needs sympy, and finds nothing more in such a graph.
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_dynamic(prepared, target, weight_type=QuantType.QInt8, reduce_range=True)


def measured(
    name: str, folder: Path, spec: ModelSpec, rows: Rows, tolerance: float | None
) -> VariantReport:
    """One form beside PyTorch; without a tolerance it must be the same function."""
    import numpy as np

    file = folder / GRAPHS[name]
    session = graph_session(file.read_bytes(), threads=1)
    wanted = {argument.name for argument in session.get_inputs()}
    inputs = {key: value for key, value in rows.inputs.items() if key in wanted}
    found = predicted(session, inputs, _ROWS).reshape(rows.reference.shape)
    metric = spec.gates[0].metric
    compared = compare_variants(
        spec.task, metric, rows.truth, rows.reference, found, rows.units, seed=spec.seed
    )
    few = {key: value[:64] for key, value in inputs.items()}
    alone, together = predicted(session, few, 1), predicted(session, few, 64)
    scale = max(1.0, float(np.std(rows.reference)))
    usable, reason = (
        _same(compared.greatest_difference / scale)
        if tolerance is None
        else _judged(metric, compared.loss.estimate, compared.loss.high, tolerance)
    )
    one, many = (_seconds(session, inputs, count) for count in (1, _ROWS))
    return VariantReport(
        name=name,
        file=file.name,
        digest=digest_of_file(file),
        size=file.stat().st_size,
        difference=compared.greatest_difference,
        batch_difference=float(abs(alone - together).max()),
        metric=metric,
        loss=(compared.loss.estimate, compared.loss.low, compared.loss.high),
        microseconds=one * 1e6,
        rows_per_second=min(_ROWS, len(rows.truth)) / many,
        usable=usable,
        reason=reason,
    )


def predicted(session: "InferenceSession", inputs: Mapping[str, "NDArray"], size: int) -> "NDArray":
    """Predictions of all rows, `size` at a time."""
    import numpy as np

    count = len(next(iter(inputs.values())))
    pieces: Sequence[Any] = [
        session.run(["prediction"], {k: v[start : start + size] for k, v in inputs.items()})[0]
        for start in range(0, count, size)
    ]
    return np.concatenate(pieces)


def _same(difference: float) -> tuple[bool, str]:
    bound = f"{difference:.1e} from PyTorch's predictions, at most {PARITY:.0e} is rounding"
    return difference <= PARITY, bound


def _judged(metric: str, loss: float, worst: float, tolerance: float) -> tuple[bool, str]:
    """The whole interval must lie within the tolerance: what is not proven is not served."""
    said = f"{metric} loses {loss:.5f}, at worst {worst:.5f}; tolerated is {tolerance:g}"
    return worst <= tolerance, said


def _seconds(session: "InferenceSession", inputs: Mapping[str, "NDArray"], size: int) -> float:
    """The median time of one call of `size` rows."""
    import numpy as np

    few = {key: value[:size] for key, value in inputs.items()}
    taken = []
    for _ in range(_CALLS if size == 1 else 10):
        started = time.perf_counter()
        session.run(["prediction"], few)
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))
