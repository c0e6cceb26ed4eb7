"""Where the front goes into a BentoML service."""

import os
import signal
import sys
from logging import getLogger
from typing import Any

from bentoml import Service
from starlette.types import ASGIApp

from bentos.model_server.front.access import StartRefused, bound_address, refuse_open_start
from bentos.model_server.front.asgi import Front
from bentos.model_server.front.openapi import Described
from bentos.model_server.front.protocol import guard_connections
from resources.serving_tokens import TokensUnusable
from resources.settings import from_environment

_log = getLogger("bentoml.mlplat.front")


class FrontedService(Service[Any]):
    """A BentoML service whose application has a `Front`.

    Its class has the attributes `endpoint` and `guard`.
    """

    front: Front

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """BentoML's application behind the front."""
        _refuse_open_worker()
        guard_connections()
        self.front = Front(super().to_asgi(is_main))
        return self.front

    def __call__(self) -> Any:  # noqa: ANN401  (whatever class is served)
        """The service's instance, made when the server starts."""
        instance = super().__call__()
        self.front.endpoint = instance.endpoint
        self.front.gate = instance.guard.gate
        self.front.described = Described(
            card=instance.endpoint.card,
            bentoml=self.openapi_spec.asdict,
            has_tokens=from_environment().serving_tokens is not None,
        )
        return instance


def refuse_open_service() -> None:
    """Refuse to start, in the process that `bentoml serve` runs in, before it listens.

    Raises:
        SystemExit: See `refuse_open_start`.
    """
    frame = sys._getframe()
    # BentoML tells nobody the address; the function that is about to bind it knows.
    while frame is not None and frame.f_code.co_name != "serve_http":
        frame = frame.f_back
    host = None if frame is None else frame.f_locals.get("host")
    try:
        refuse_open_start(host, from_environment().serving_tokens)
    except (StartRefused, TokensUnusable) as error:
        raise SystemExit(f"mlplat: {error}") from error


def _refuse_open_worker() -> None:
    """The same in a worker, by its socket; its supervisor would start it again and again."""
    try:
        refuse_open_start(bound_address(sys.argv), from_environment().serving_tokens)
    except (StartRefused, TokensUnusable) as error:
        _log.critical("%s", error)
        os.kill(os.getppid(), signal.SIGTERM)
        raise SystemExit(1) from error
