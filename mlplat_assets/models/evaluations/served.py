"""A stored artefact as a service runs it: on-demand functions, encoder and ONNX session."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bentos.model_server.artefact.card import Card, read_card
from bentos.model_server.artefact.encoding import Column
from bentos.model_server.artefact.on_demand import OnDemandFunction, load_functions
from bentos.model_server.artefact.predictor import Predictor
from mlplat_assets.features.on_demand import with_on_demand
from mlplat_assets.models.artefact import input_columns
from resources.artifacts import ArtifactStore


@dataclass(frozen=True, kw_only=True)
class Served:
    """What answers for a model; `card` says where each of its input columns comes from."""

    folder: Path
    card: Card
    predictor: Predictor
    functions: tuple[OnDemandFunction, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes in the order of their probabilities, of a multiclass model."""
        return tuple(self.predictor.card.get("classes", ()))

    def predict(self, rows: pl.DataFrame) -> np.ndarray:
        """Predictions [n], or [n, K] of K classes, on-demand features computed anew.

        Raises:
            OnDemandFailed: A function fails, takes an input that the rows do not hold, or
                answers a row otherwise when it is alone.
        """
        if self.functions:
            rows = pl.DataFrame(with_on_demand(rows.to_arrow(), self.functions))
        return self.predictor.predict(input_columns(rows, dict(self.predictor.preprocessing)))

    def answer(self, columns: Mapping[str, Any]) -> np.ndarray:
        """Predictions of columns as a request and the online store give them."""
        given: dict[str, Column] = dict(columns)
        for function in self.functions:
            given |= function(columns)
        return self.predictor.predict(given)

    def inputs(self) -> dict[str, str]:
        """Every column that is handed in, and its feature view, or `request`.

        What on-demand functions make of them is no input; what they take is one.
        """
        entries = self.card.on_demand
        known = {feature.column: feature.view for feature in self.card.features}
        known |= {taken.column: taken.view for entry in entries for taken in entry.inputs}
        made = {column for entry in entries for column in entry.columns}
        taken = [name for function in self.functions for name in function.takes]
        wanted = [name for name in self.predictor.columns if name not in made]
        return {name: known.get(name, "request") for name in dict.fromkeys([*wanted, *taken])}


def load(artifacts: ArtifactStore, artifact_digest: str, threads: int) -> Served:
    """A stored artefact, digest verified, on `threads` of the CPU.

    Raises:
        ArtifactUnusable, OnDemandFailed: Its files do not make a model that can predict.
    """
    folder = artifacts.get_folder(artifact_digest)
    predictor = Predictor.load(folder, threads=threads)
    card = read_card(predictor.card, predictor.columns)
    functions = load_functions(card.on_demand, folder)
    return Served(folder=folder, card=card, predictor=predictor, functions=functions)
