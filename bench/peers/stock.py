"""BentoML's batchable API as its documentation shows it: NumPy in, NumPy out.

SERVING_GRAPH=mlp.onnx bentoml serve bench.peers.stock:Stock
"""

import bentoml  # noqa: TID253 - the service class is made by its decorator
import numpy as np

from bench.peers.batcher import graph_from_environment


@bentoml.service
class Stock:
    """The MLP over 40 numbers."""

    def __init__(self) -> None:
        self._session = graph_from_environment()

    @bentoml.api(batchable=True)
    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predictions of a batch."""
        (found,) = self._session.run(None, {"x": x.astype(np.float32)})
        return np.asarray(found)
