"""Where the front goes into a BentoML service."""

from typing import Any

from bentoml import Service
from starlette.types import ASGIApp

from bentos.model_server.front.asgi import Front


class FrontedService(Service[Any]):
    """A BentoML service whose application has a `Front`; its class has the attribute `endpoint`."""

    front: Front

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """BentoML's application behind the front."""
        self.front = Front(super().to_asgi(is_main))
        return self.front

    def __call__(self) -> Any:  # noqa: ANN401  (whatever class is served)
        """The service's instance, made when the server starts."""
        instance = super().__call__()
        self.front.endpoint = instance.endpoint
        return instance
