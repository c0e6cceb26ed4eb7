"""A row is predicted to the same bit alone and in any batch, by graphs of every kind we export."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bentos.model_server.artefact.predictor import Predictor
from bentos.model_server.runtime.exactness import batching_of
from mlplat_assets.models.artefact import export_graph
from mlplat_assets.models.trainers.network import PeriodicEmbedding
from mlplat_assets.models.variants import quantise

ROWS, COLUMNS = 330, 13


class Network(nn.Module):
    """Numbers and one category to a probability, with the learned cosines of our trainer or not."""

    def __init__(self, *, is_periodic: bool) -> None:
        super().__init__()
        self.periodic = PeriodicEmbedding(COLUMNS, 5, 1.0, 3) if is_periodic else nn.Identity()
        self.embed = nn.Embedding(10, 3)
        width = COLUMNS * 3 if is_periodic else COLUMNS
        self.layers = nn.Sequential(nn.Linear(width + 3, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, numeric: Any, categorical: Any) -> Any:
        known = torch.where(torch.isnan(numeric), torch.zeros_like(numeric), numeric)
        parts = [self.periodic(known), self.embed(categorical).flatten(1)]
        return torch.sigmoid(self.layers(torch.cat(parts, 1))).squeeze(1)


@pytest.fixture(params=["free", "padded", "alone"])
def predictor(request: pytest.FixtureRequest, tmp_path: Path) -> Predictor:
    """A plain network, one with cosines, and one quantised."""
    torch.manual_seed(7)
    graph = tmp_path / "model.onnx"
    export_graph(Network(is_periodic=request.param == "padded"), COLUMNS, 1, graph)
    if request.param == "alone":
        quantise(graph, tmp_path / "quantised.onnx")
        (tmp_path / "quantised.onnx").replace(graph)
    assert batching_of(graph.read_bytes()) == request.param
    names = [f"n{position}" for position in range(COLUMNS)]
    document = {"numeric": names, "categorical": {"c": list("abcdefghi")}}
    (tmp_path / "preprocessing.json").write_text(json.dumps(document))
    return Predictor.load(tmp_path)


def test_a_row_is_predicted_alike_in_any_batch(predictor: Predictor) -> None:
    generator = np.random.default_rng(0)
    numeric = (generator.normal(size=(ROWS, COLUMNS)) * 3).astype(np.float32)
    numeric[generator.random(numeric.shape) < 0.1] = np.nan
    categorical = generator.integers(0, 10, (ROWS, 1))
    whole = predictor.run(numeric, categorical)
    assert whole.shape == (ROWS,)
    for size in (1, 2, 3, 5, 7, 8, 16, 31, 32, 33, 64, 100):
        parts = [
            predictor.run(numeric[i : i + size], categorical[i : i + size])
            for i in range(0, ROWS, size)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
