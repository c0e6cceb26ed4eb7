"""A model artefact ready to predict: its card, its encoder and its ONNX session."""

import json
from collections.abc import Mapping
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

from bentos.model_server.artefact.encoding import Column, Encoder

# The graph of each form of a network that an artefact may hold. A card names the form that serves.
GRAPHS = {"fp32": "model.onnx", "int8": "model.int8.onnx"}
# Kernels take rows four at a time, and round the rows that are left over otherwise: of 5,000 rows
# 1,057 had other bits alone than among others. In whole blocks none has.
_BLOCK = 4
_ONNX_ERRORS = (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NotImplemented)


class ArtifactUnusable(ValueError):
    """The artefact's files do not make a model that can predict."""


class Predictor:
    """Predicts from columns of values by name.

    Attributes:
        card: The parsed `card.json`, empty in a folder that has none yet (during training).
        preprocessing: The parsed `preprocessing.json`.
        columns: Names of the input columns, numeric ones first.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        preprocessing: Mapping[str, Any],
        card: Mapping[str, Any],
    ) -> None:
        self.card = card
        self.preprocessing = preprocessing
        self._encode = Encoder(preprocessing)
        self.columns = self._encode.columns
        self._session = session
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
            return cls(graph_session(file.read_bytes(), threads), preprocessing, card)
        # onnxruntime has a class for every status and only RuntimeError and Exception above.
        except (OSError, ValueError, KeyError, RuntimeError, *_ONNX_ERRORS) as error:
            raise ArtifactUnusable(f"artefact {folder}: {error}") from error

    def predict(self, columns: Mapping[str, Column]) -> npt.NDArray[np.float32]:
        """Predictions [n], probabilities or values, or [n, K], the probabilities of K classes.

        A row's prediction has the same bits whichever rows it is asked with.

        Raises:
            KeyError, ValueError: The columns do not fit the model (see Encoder).
        """
        numeric, categorical = self._encode(columns)
        rows = len(numeric)
        arrays = {"numeric": in_blocks(numeric), "categorical": in_blocks(categorical)}
        fed = {name: arrays[name] for name in self._inputs}
        (prediction,) = self._session.run(["prediction"], fed)
        return np.asarray(prediction, dtype=np.float32)[:rows]

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


def in_blocks(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The rows [n, N], and rows of zeros up to a whole number of blocks."""
    short = -len(rows) % _BLOCK
    if not short:
        return rows
    return np.concatenate([rows, np.zeros((short, rows.shape[1]), rows.dtype)])


def graph_session(graph: bytes, threads: int) -> ort.InferenceSession:
    """A session over a graph, on `threads` of the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
