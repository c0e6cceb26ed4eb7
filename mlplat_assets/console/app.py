"""The console as one application: its routes, and what is answered when something is amiss."""

from collections.abc import Callable
from functools import partial

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from mlplat_assets.commands.output import masked
from mlplat_assets.commands.processes import LOOPBACK
from mlplat_assets.commands.stores import NotThereYet, StoreAway
from mlplat_assets.console import model_views, record_views, session_views, watch_views
from mlplat_assets.console.decisions import DECISIONS, decided
from mlplat_assets.console.desk import Desk
from mlplat_assets.console.headers import Headers
from mlplat_assets.console.pages import FOLDER
from mlplat_assets.console.refusals import Refused


class _Model(Convertor[str]):
    """`team.name` in a path; the names go into SQL as tables, so that nothing else gets in."""

    regex = r"[a-z][a-z0-9_]{0,99}\.[a-z][a-z0-9_]{0,99}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


def app(desk: Desk) -> Starlette:
    """The application.

    Only requests that name this machine are answered: a page in a browser could else have its own
    host name resolved to it.
    """
    register_url_convertor("model", _Model())
    return Starlette(
        routes=[*_reading(desk), *_writing(desk)],
        middleware=[
            Middleware(Headers),
            Middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"]),
        ],
        exception_handlers={
            Refused: partial(_refused, desk),
            HTTPException: partial(_no_route, desk),
            NotThereYet: partial(_nothing_yet, desk),
            StoreAway: partial(_away, desk),
        },
    )


def _reading(desk: Desk) -> list[Route]:
    model = "/models/{model:model}"
    views: dict[str, Callable[[Desk, Request], Response]] = {
        "/": model_views.overview,
        model: model_views.model,
        f"{model}/versions/{{number:int}}": model_views.version,
        f"{model}/drift": model_views.drift,
        "/approvals": record_views.approvals,
        "/alerts": watch_views.alerts,
        "/experiments": watch_views.experiments,
        "/audit": record_views.audit,
        "/predictions": record_views.predictions,
        "/predictions/{prediction}": record_views.prediction,
        "/login": session_views.login_form,
    }
    found = [
        Route(path, partial(view, desk), methods=["GET"], name=view.__name__)
        for path, view in views.items()
    ]
    return [*found, Route("/console.css", _style, methods=["GET"])]


def _writing(desk: Desk) -> list[Route]:
    return [
        Route("/login", partial(session_views.login, desk), methods=["POST"]),
        Route("/logout", partial(session_views.logout, desk), methods=["POST"]),
        *(Route(each.path, partial(decided, desk, each), methods=["POST"]) for each in DECISIONS),
    ]


def _style(request: Request) -> Response:
    return FileResponse(FOLDER / "console.css", media_type="text/css")


def _refused(desk: Desk, request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _said(desk, request, error.status, "Not done", error)


def _no_route(desk: Desk, request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _said(desk, request, error.status_code, "No such page", error.detail)


def _nothing_yet(desk: Desk, request: Request, error: Exception) -> Response:
    return _said(desk, request, 200, "Nothing yet", error)


def _away(desk: Desk, request: Request, error: Exception) -> Response:
    return _said(desk, request, 503, "A store is away", error)


def _said(desk: Desk, request: Request, status: int, title: str, fact: object) -> Response:
    return desk.page(request, "said.html", status, title=title, fact=masked(str(fact)))
