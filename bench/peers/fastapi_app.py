"""FastAPI with pydantic models of the same request and the peers' micro-batcher.

SERVING_GRAPH=mlp.onnx uvicorn bench.peers.fastapi_app:app --factory
"""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, create_model

from bench.peers.batcher import Batcher, graph_from_environment
from bench.serving_shape import COLUMNS, CONTEXT, ENTITIES, vector


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _fields(name: str, names: list[str], kind: type) -> type[BaseModel]:
    fields: dict[str, Any] = {field: (kind, ...) for field in names}
    return create_model(name, __base__=_Strict, **fields)


def app() -> FastAPI:
    """The application; no features are fetched and nothing is recorded."""
    batcher = Batcher(graph_from_environment())
    body: Any = create_model(
        "Request",
        __base__=_Strict,
        unit_id=(str, ...),
        entities=(_fields("Entities", list(ENTITIES), str), ...),
        context=(_fields("Context", list(CONTEXT), float), ...),
        features=(_fields("Features", list(COLUMNS), float), ...),
    )
    made = FastAPI()

    @made.post("/v1/predict")
    async def predict(request: body) -> dict[str, float]:  # type: ignore[valid-type]
        return {"prediction": await batcher.predict(vector(request.model_dump()))}

    return made
