"""The one BentoML service, for every model.

    bentoml serve flights__arrival_delay:v3
    MLPLAT_MODEL=flights.arrival_delay bentoml serve bentos.model_server.service:ModelServer

A Bento brings its artefact along and serves on it alone; without one, the production version
is taken from the registry at start. Either way the registry is followed afterwards.
"""

import gc
import json
import os
import sys
import threading
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

# BentoML reports usage unless this is set before its first event; it is read once.
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")

import bentoml

from bentos.model_server.answering.failures import Failures
from bentos.model_server.artefact.baked import BakedArtifact, load_first_version, read_baked
from bentos.model_server.artefact.predictor import ArtifactUnusable
from bentos.model_server.endpoint import Endpoint
from bentos.model_server.front.guard import Guard
from bentos.model_server.front.seam import FrontedService
from bentos.model_server.front.supervisor import prepare_supervisor
from bentos.model_server.journal.segments import Journal
from bentos.model_server.meter import Meter
from bentos.model_server.routing.following import Follower
from bentos.model_server.routing.known import KnownTable
from bentos.model_server.routing.shadows import Shadows
from bentos.model_server.routing.versions import Routing
from resources.artifacts import artifact_store
from resources.online_store import online_store
from resources.settings import Settings, from_environment

if TYPE_CHECKING:
    from resources.registry.registry import Registry

_SWITCH_SECONDS = 0.0005
_ROOT = Path(__file__).resolve().parents[2]


def _now() -> datetime:
    return datetime.now(UTC)


def _model_name(baked: BakedArtifact | None) -> str:
    named = baked.model if baked else os.environ.get("MLPLAT_MODEL")
    if not named:
        raise ArtifactUnusable(
            "no artefact is baked in and MLPLAT_MODEL is unset; serve a Bento tag, or name a model"
        )
    return named


@cache
def _versions(url: str) -> "Registry":
    # Here and not above: SQLAlchemy takes 0.7 s to import, and neither the supervisor of BentoML,
    # which imports this file too, nor the first answer of a Bento has any use for it.
    from resources.registry.registry import registry

    return registry(url)


def _follow(follower: Follower, stop: threading.Event, url: str) -> None:
    from resources.registry.notices import Notices

    follower.follow(stop, Notices(url, follower.routing.model))


def _follower(settings: Settings, model: str) -> Follower:
    return Follower(
        routing=Routing(model=model),
        read=lambda: _versions(settings.registry_url).traffic(model),
        fetch=artifact_store(settings.artifacts_url).get_folder,
        known=KnownTable(settings.home / "serving" / f"{model}.json"),
        clock=_now,
    )


@bentoml.service(
    service_class=FrontedService,
    # Both would work on every request; the journal records each prediction already.
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": [".*"]},
    envs=[{"name": "BENTOML_DO_NOT_TRACK", "value": "True"}],
)
class ModelServer:
    """Predictions of one model: POST /v1/predict, GET /v1/model, /livez, /readyz, /metrics."""

    @bentoml.on_deployment
    @staticmethod
    def prepare() -> None:
        """Refuse to start where everybody would be answered; see `prepare_supervisor`."""
        prepare_supervisor()

    def __init__(self) -> None:
        settings = from_environment()
        baked = read_baked(_ROOT)
        model = _model_name(baked)
        follower = _follower(settings, model)
        self._routing = follower.routing
        load_first_version(follower, baked, _ROOT)
        self._store = online_store(settings.online_url, settings.online_timeout)
        self._journal = Journal(settings.journal / model, _now)
        self.meter = Meter()
        self.guard = Guard(
            tokens=settings.serving_tokens,
            meter=self.meter,
            model=model,
            metrics=Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]),
        )
        self.meter.gauges["routing_problems"] = lambda: len(self._routing.problems)
        self._shadows = Shadows(
            routing=self._routing,
            journal=Journal(settings.journal / f"{model}.shadows", _now),
            meter=self.meter,
            clock=_now,
        )
        self._failures = Failures(
            journal=Journal(settings.journal / f"{model}.failures", _now),
            meter=self.meter,
            clock=_now,
        )
        self._stop = threading.Event()
        self._following = threading.Thread(
            target=_follow, args=(follower, self._stop, settings.registry_url), daemon=True
        )
        self.endpoint = Endpoint(
            routing=self._routing,
            store=self._store,
            journal=self._journal,
            bento=baked.tag if baked else "",
            clock=_now,
            meter=self.meter,
            shadows=self._shadows,
            failures=self._failures,
        )

    @bentoml.on_startup
    def start(self) -> None:
        """Follow the registry, and keep the garbage collector off what is loaded by now."""
        # Else a thread that looks at the registry holds up answers for 5 ms at a time.
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._following.start()
        self.guard.start()
        gc.collect()
        gc.freeze()

    @bentoml.on_shutdown
    def stop(self) -> None:
        """Stop following and release the stores."""
        self._stop.set()
        self._following.join()
        self.endpoint.close()
        self._shadows.close()
        self._store.close()
        self._journal.close()
        self._failures.close()
        self.guard.close()

    def __is_ready__(self) -> bool:
        """Whether a version is loaded and the process is not ending, for BentoML's /readyz."""
        return self.endpoint.is_ready() and not self.guard.drain.is_on

    def __metrics__(self, content: str) -> str:
        """BentoML's metrics with ours, for /metrics."""
        return content + self.guard.metrics()

    @bentoml.api
    async def predict(self, request: dict[str, Any], /, context: bentoml.Context) -> dict[str, Any]:
        """One prediction, like POST /v1/predict: the request is the JSON body itself."""
        answer = await self.endpoint.answer(request)
        context.response.status_code = answer.status
        return json.loads(answer.body)
