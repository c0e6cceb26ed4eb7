"""Where the front goes into a BentoML service."""

from typing import Any

from bentoml import Service
from starlette.types import ASGIApp

from bentos.model_server.front.asgi import Front
from bentos.model_server.front.direct import Direct
from bentos.model_server.front.direct_protocol import DirectProtocol, guard_connections
from bentos.model_server.front.openapi import Described
from bentos.model_server.front.supervisor import refuse_open_worker
from resources.settings import from_environment


class FrontedService(Service[Any]):
    """A BentoML service whose application has a `Front`.

    Its class has the attributes `endpoint` and `guard`.
    """

    front: Front

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """BentoML's application behind the front."""
        refuse_open_worker()
        guard_connections()
        self.front = Front(super().to_asgi(is_main))
        return self.front

    def __call__(self) -> Any:  # noqa: ANN401  (whatever class is served)
        """The service's instance, made when the server starts."""
        instance = super().__call__()
        self.front.endpoint = instance.endpoint
        self.front.gate = instance.guard.gate
        DirectProtocol.at_once = Direct(instance.endpoint, instance.guard.gate)
        self.front.described = Described(
            card=instance.endpoint.card,
            bentoml=self.openapi_spec.asdict,
            has_tokens=from_environment().serving_tokens is not None,
        )
        return instance
