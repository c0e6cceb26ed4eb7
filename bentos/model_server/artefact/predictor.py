"""A model artefact ready to predict: its card, its encoder and its ONNX session."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NotImplemented,
)

from bentos.model_server.artefact.encoding import Categorical, Column, Encoder, Numeric
from bentos.model_server.artefact.exactness import PADDED_TO, Batching, batching_of

# The graph of each form of a network that an artefact may hold. A card names the form that serves.
GRAPHS = {"fp32": "model.onnx", "int8": "model.int8.onnx"}
# Rows of one run: beyond these a larger batch is no cheaper a row, and holds up its first row.
BATCH_ROWS = 64
ONNX_ERRORS = (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NotImplemented)


class ArtifactUnusable(ValueError):
    """The artefact's files do not make a model that can predict."""


class Predictor:
    """Predicts from columns of values by name.

    Attributes:
        card: The parsed `card.json`, empty in a folder that has none yet (during training).
        preprocessing: The parsed `preprocessing.json`.
        columns: Names of the input columns, numeric ones first.
        batch_seconds: What a batch of BATCH_ROWS takes, measured by `warm_up`; 0 before.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        preprocessing: Mapping[str, Any],
        card: Mapping[str, Any],
        batching: Batching,
    ) -> None:
        self.card = card
        self.preprocessing = preprocessing
        self._encode = Encoder(preprocessing)
        self.columns = self._encode.columns
        self._session = session
        self._batching: Batching = batching
        self.batch_seconds = 0.0
        # An exporter prunes an input that has no columns.
        self._inputs = {argument.name for argument in session.get_inputs()}

    @classmethod
    def load(cls, folder: Path, threads: int = 1, variant: str | None = None) -> "Predictor":
        """The predictor of an artefact folder, `threads` of the CPU per prediction.

        `variant` is one of GRAPHS; None is the one that the card says serves.

        Raises:
            ArtifactUnusable: A file is missing, or is not what its name says.
        """
        try:
            preprocessing = json.loads((folder / "preprocessing.json").read_bytes())
            card_file = folder / "card.json"
            card = json.loads(card_file.read_bytes()) if card_file.exists() else {}
            file = folder / GRAPHS[variant or card.get("variant", "fp32")]
            graph = file.read_bytes()
            session = graph_session(graph, threads)
            return cls(session, preprocessing, card, batching_of(graph))
        # onnxruntime has a class for every status and only RuntimeError and Exception above.
        except (OSError, ValueError, KeyError, RuntimeError, *ONNX_ERRORS) as error:
            raise ArtifactUnusable(f"artefact {folder}: {error}") from error

    def predict(self, columns: Mapping[str, Column]) -> npt.NDArray[np.float32]:
        """Predictions [n], probabilities or values, or [n, K], the probabilities of K classes.

        Raises:
            KeyError, ValueError: The columns do not fit the model (see Encoder).
        """
        return self.run(*self._encode(columns))

    def run(self, numeric: Numeric, categorical: Categorical) -> npt.NDArray[np.float32]:
        """Predictions of rows that are encoded already; a row's is the same in any batch."""
        rows = len(numeric)
        if self._batching == "alone" and rows > 1:
            alone = [self._run(numeric[i : i + 1], categorical[i : i + 1]) for i in range(rows)]
            return np.concatenate(alone)
        if self._batching == "padded" and rows % PADDED_TO:
            numeric, categorical = _padded(numeric), _padded(categorical)
        return self._run(numeric, categorical)[:rows]

    def _run(self, numeric: Numeric, categorical: Categorical) -> npt.NDArray[np.float32]:
        arrays = {"numeric": numeric, "categorical": categorical}
        fed = {name: arrays[name] for name in self._inputs}
        (prediction,) = self._session.run(["prediction"], fed)
        return np.asarray(prediction, dtype=np.float32)

    def warm_up(self, classes: int = 0) -> None:
        """Predict one row of missing values, so that the first request does not pay for it.

        Raises:
            ArtifactUnusable: The model gives no finite number for it, or not one for each of so
                many classes.
        """
        prediction = self.predict({name: [None] for name in self.columns})
        wanted = (1, classes) if classes else (1,)
        if prediction.shape != wanted or not np.isfinite(prediction).all():
            raise ArtifactUnusable(f"a row of missing values is predicted as {prediction.tolist()}")
        rows: dict[str, Column] = {name: [None] * BATCH_ROWS for name in self.columns}
        arrays = self._encode(rows)
        self.batch_seconds = min(_seconds(self.run, arrays) for _ in range(3))


def _padded(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array with rows of zeros up to a multiple of PADDED_TO."""
    padded = np.zeros((len(array) + -len(array) % PADDED_TO, array.shape[1]), array.dtype)
    padded[: len(array)] = array
    return padded


def _seconds(run: Callable[..., object], arrays: tuple[Numeric, Categorical]) -> float:
    started = time.perf_counter()
    run(*arrays)
    return time.perf_counter() - started


def graph_session(graph: bytes, threads: int) -> ort.InferenceSession:
    """A session over a graph, on `threads` of the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
