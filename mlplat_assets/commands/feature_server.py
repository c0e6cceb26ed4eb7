"""`mlplat features serve`: push rows to streams and read features online, over HTTP."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import duckdb
import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bentos.model_server.artefact.on_demand import OnDemandFailed
from mlplat_assets.catalogue import catalogue
from mlplat_assets.commands.feature_server_metrics import metrics
from mlplat_assets.commands.processes import LOOPBACK, require_free_port
from mlplat_assets.discovery import Catalogue
from mlplat_assets.features.lookup import OnlineFeatures
from mlplat_assets.features.quality.freshness import freshness
from mlplat_assets.features.selection import Selection, select_features
from mlplat_assets.features.store import FeatureStore
from mlplat_assets.features.streaming.sources import InvalidRows, StreamedSource, streamed_sources
from mlplat_assets.references import OnDemandFeature
from resources.event_stream import EventStream, EventStreamUnavailable, event_stream
from resources.lake import Lake, lake_from
from resources.online_store import OnlineStoreUnavailable, online_store
from resources.settings import Settings

Entity = bool | int | float | str | None


class OnlineRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which features of which entities: Feast's request.

    `entities` also holds what on-demand views take from a request.
    """

    entities: dict[str, Annotated[list[Entity], msgspec.Meta(min_length=1)]]
    features: list[str] = []
    feature_service: str | None = None
    full_feature_names: bool = False


class FeatureServer:
    """The routes and what they need; times come from the clock."""

    def __init__(
        self,
        declared: Catalogue,
        lake: Lake,
        stream: EventStream,
        store: FeatureStore,
        clock: Callable[[], datetime],
    ) -> None:
        """Remember the stores."""
        self._declared, self._lake, self._stream = declared, lake, stream
        self._store, self._clock = store, clock
        self._sources = {source.name: source for source in streamed_sources(declared)}

    def app(self) -> Starlette:
        """The application.

        Only requests that name this machine are answered: a page in a browser could else have its
        own host name resolved to it.
        """
        hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])
        return Starlette(
            routes=[
                Route("/push/{source}", self.push, methods=["POST"]),
                Route("/get-online-features", self.get_online_features, methods=["POST"]),
                Route("/metrics", self.metrics),
                Route("/livez", self.livez),
            ],
            middleware=[hosts],
            exception_handlers={
                InvalidRows: _refused,
                LookupError: _refused,
                msgspec.DecodeError: _refused,
                UnicodeDecodeError: _refused,
                OnDemandFailed: _failed,
                EventStreamUnavailable: _away,
                duckdb.Error: _away,
                OnlineStoreUnavailable: _away,
            },
        )

    async def push(self, request: Request) -> Response:
        """Append a JSON list of rows to a source's stream: all of them, or none."""
        source = self._source(request.path_params["source"])
        rows = source.decode(await request.body(), self._clock())
        if rows:
            bodies = [source.encode(row) for row in rows]
            await run_in_threadpool(self._stream.append, source.name, bodies)
        return _json({"accepted": len(rows)})

    async def get_online_features(self, request: Request) -> Response:
        """The newest values of each entity, with a status each, in Feast's form."""
        wanted = msgspec.json.decode(await request.body(), type=OnlineRequest)
        references = wanted.features + ([wanted.feature_service] if wanted.feature_service else [])
        try:
            found = await self._store.get_online_features_async(
                _entity_rows(wanted.entities),
                references,
                full_feature_names=wanted.full_feature_names,
            )
            selection = select_features(references, self._declared)
        except (LookupError, TypeError, ValueError) as error:
            return await _refused(request, error)
        return _json(_answer(wanted.entities, selection, found, wanted.full_feature_names))

    async def metrics(self, request: Request) -> Response:
        """Counters and gauges for Prometheus."""
        sources, now = list(self._sources.values()), self._clock()
        in_lake = await run_in_threadpool(freshness, self._lake, self._declared, now)
        text = await run_in_threadpool(metrics, self._stream, sources, in_lake, now)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    async def livez(self, request: Request) -> Response:
        """The process answers."""
        return PlainTextResponse("ok")

    def _source(self, name: str) -> StreamedSource:
        if name not in self._sources:
            known = ", ".join(self._sources) or "none"
            raise LookupError(f"{name!r} is no source of a streamed view; push to one of: {known}")
        return self._sources[name]


def serve(settings: Settings, port: int) -> None:
    """Listen on this machine only: nobody is asked who they are.

    Raises:
        ValueError: The port is taken, or a URL has an unknown scheme.
    """
    import uvicorn

    require_free_port(port)
    declared, clock = catalogue(), partial(datetime.now, UTC)
    online = online_store(settings.online_url, settings.online_timeout)
    lake = lake_from(settings)
    store = FeatureStore(lake, online, declared, clock)
    server = FeatureServer(declared, lake, event_stream(settings.stream_url), store, clock)
    uvicorn.run(server.app(), host=LOOPBACK, port=port, log_level="warning", access_log=False)


def _entity_rows(entities: dict[str, list[Entity]]) -> list[dict[str, Entity]]:
    """Columns of entity values as rows.

    Raises:
        ValueError: The columns are of different lengths, or there is none.
    """
    if len({len(values) for values in entities.values()}) != 1:
        lengths = ", ".join(f"{name} has {len(values)}" for name, values in entities.items())
        raise ValueError(f"entities: {lengths or 'empty'}: send columns of one length")
    columns = zip(*entities.values(), strict=True)
    return [dict(zip(entities, values, strict=True)) for values in columns]


def _answer(
    entities: dict[str, list[Entity]], selection: Selection, found: OnlineFeatures, full: bool
) -> dict[str, Any]:
    """The names, then a column of values and statuses for each, with times for features.

    What is computed on demand has no time: it is of no row.
    """
    columns = selection.columns(full=full)
    results: list[dict[str, Any]] = [
        {"values": values, "statuses": ["PRESENT"] * len(values)} for values in entities.values()
    ]
    for column, feature in zip(columns, selection.features, strict=True):
        view = None if isinstance(feature, OnDemandFeature) else feature.view.full_name
        results.append(
            {
                "values": [row[column] for row in found.rows],
                "statuses": [statuses[column] for statuses in found.statuses],
                "event_timestamps": [view and times[view] for times in found.event_timestamps],
            }
        )
    return {"metadata": {"feature_names": [*entities, *columns]}, "results": results}


def _json(content: object, status: int = 200) -> Response:
    body = msgspec.json.encode(content, enc_hook=lambda value: base64.b64encode(value).decode())
    return Response(body, status, media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    return _json({"error": str(error)}, 422)


async def _failed(request: Request, error: Exception) -> Response:
    return _json({"error": str(error)}, 500)


async def _away(request: Request, error: Exception) -> Response:
    return _json({"error": str(error)}, 503)
