"""Ray Serve with `@serve.batch`. Runs in bench/.ray, the only place where Ray Serve is.

SERVING_GRAPH=mlp.onnx python -m bench.peers.ray_app PORT
"""

import os
import signal
import sys

import numpy as np
import ray
from ray import serve
from starlette.requests import Request

from bench.peers.batcher import graph_from_environment
from bench.serving_shape import vector


@serve.deployment(max_ongoing_requests=256, ray_actor_options={"num_cpus": 0})
class Mlp:
    """The MLP over the same request."""

    def __init__(self) -> None:
        self._session = graph_from_environment()

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.0)
    async def _predict(self, rows: list[list[float]]) -> list[float]:
        (found,) = self._session.run(None, {"x": np.asarray(rows, np.float32)})
        return np.asarray(found).tolist()

    async def __call__(self, request: Request) -> dict[str, float]:
        """One prediction."""
        return {"prediction": await self._predict(vector(await request.json()))}


def main() -> None:
    """Serve on a port of loopback until terminated."""
    environment = {name: os.environ[name] for name in ("SERVING_GRAPH", "PYTHONPATH")}
    ray.init(
        num_cpus=1,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": environment},
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Mlp.bind(), route_prefix="/v1/predict")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
