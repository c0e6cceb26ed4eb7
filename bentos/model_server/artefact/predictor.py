"""A model artefact ready to predict: its card, its encoder and its graph in a runtime."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bentos.model_server.artefact.encoding import Categorical, Column, Encoder, Numeric
from bentos.model_server.runtime.choice import Runtime, runtime

# The graph of each form of a network that an artefact may hold. A card names the form that serves.
GRAPHS = {"fp32": "model.onnx", "int8": "model.int8.onnx"}
# Rows of one run: beyond these a larger batch is no cheaper a row, and holds up its first row.
BATCH_ROWS = 64


class ArtifactUnusable(ValueError):
    """The artefact's files do not make a model that can predict."""


class Predictor:
    """Predicts from columns of values by name.

    Attributes:
        card: The parsed `card.json`, empty in a folder that has none yet (during training).
        preprocessing: The parsed `preprocessing.json`.
        columns: Names of the input columns, numeric ones first.
        run: Predicts rows that are encoded already.
        batch_seconds: What a batch of BATCH_ROWS takes, measured by `warm_up`; 0 before.
    """

    def __init__(
        self,
        run: Runtime,
        preprocessing: Mapping[str, Any],
        card: Mapping[str, Any],
    ) -> None:
        self.card = card
        self.preprocessing = preprocessing
        self._encode = Encoder(preprocessing)
        self.columns = self._encode.columns
        self.run = run
        self.batch_seconds = 0.0

    @classmethod
    def load(
        cls, folder: Path, threads: int = 1, variant: str | None = None, *, gpu: bool = False
    ) -> "Predictor":
        """The predictor of an artefact folder, `threads` of the CPU per prediction.

        `variant` is one of GRAPHS; None is the one that the card says serves. With `gpu` it
        predicts there if one is present.

        Raises:
            ArtifactUnusable: A file is missing, or is not what its name says.
        """
        try:
            preprocessing = json.loads((folder / "preprocessing.json").read_bytes())
            card_file = folder / "card.json"
            card = json.loads(card_file.read_bytes()) if card_file.exists() else {}
            file = folder / GRAPHS[variant or card.get("variant", "fp32")]
            run = runtime(file.read_bytes(), preprocessing, threads, gpu)
            return cls(run, preprocessing, card)
        except (OSError, ValueError, KeyError) as error:
            raise ArtifactUnusable(f"artefact {folder}: {error}") from error

    def predict(self, columns: Mapping[str, Column]) -> npt.NDArray[np.float32]:
        """Predictions [n], probabilities or values, or [n, K], the probabilities of K classes.

        Raises:
            KeyError, ValueError: The columns do not fit the model (see Encoder).
        """
        return self.run(*self._encode(columns))

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


def _seconds(run: Callable[..., object], arrays: tuple[Numeric, Categorical]) -> float:
    started = time.perf_counter()
    run(*arrays)
    return time.perf_counter() - started
