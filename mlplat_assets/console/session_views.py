"""Logging in with a registry token, and out."""

import secrets

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mlplat_assets.commands.stores import NotThereYet
from mlplat_assets.console.desk import COOKIE, Desk
from mlplat_assets.console.forms import fields_of, require_same, require_secret
from mlplat_assets.console.sessions import LASTS
from resources.registry.errors import AccessRefused
from resources.registry.identity import Identity

# Before there is a session, a form is of the browser that was given this with the page.
BEFORE = "mlplat_console_login"


def login_form(desk: Desk, request: Request) -> Response:
    """The form that takes a token."""
    return _form(desk, request)


async def login(desk: Desk, request: Request) -> Response:
    """Begin a session, if the token stands."""
    fields = await fields_of(request)
    require_same(fields, request.cookies.get(BEFORE, ""))
    token = fields.get("token", "").strip()
    try:
        who = await run_in_threadpool(_holder, desk, token)
    except (AccessRefused, NotThereYet) as error:
        told = str(error).replace("MLPLAT_TOKEN is", "That is")
        return await run_in_threadpool(_form, desk, request, 403, told)
    assert who.role is not None  # a token has one
    session = desk.sessions.begin(token, who.name, who.role)
    answer = RedirectResponse("/", 303)
    _remember(answer, COOKIE, session.id, "/")
    answer.delete_cookie(BEFORE, path="/login", httponly=True, samesite="strict")
    return answer


async def logout(desk: Desk, request: Request) -> Response:
    """End the session."""
    session = require_secret(await fields_of(request), desk.session(request))
    desk.sessions.end(session)
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return answer


def _holder(desk: Desk, token: str) -> Identity:
    with desk.stores.registry() as registry:
        return registry.tokens.holder(token)


def _form(desk: Desk, request: Request, status: int = 200, told: str | None = None) -> Response:
    secret = secrets.token_urlsafe(32)
    answer = desk.page(request, "login.html", status, csrf=secret, told=told, locked=desk.locked())
    _remember(answer, BEFORE, secret, "/login")
    return answer


def _remember(answer: Response, name: str, value: str, path: str) -> None:
    seconds = int(LASTS.total_seconds())
    answer.set_cookie(name, value, max_age=seconds, path=path, httponly=True, samesite="strict")
