"""Forms as they arrive: small, from our own pages, with the secret of their session."""

import hmac
from urllib.parse import parse_qsl

from starlette.requests import Request

from mlplat_assets.console.refusals import Refused
from mlplat_assets.console.sessions import Session

FORM = "application/x-www-form-urlencoded"
_MOST_BYTES = 64 * 1024
_MOST_FIELDS = 20

Fields = dict[str, str]


async def fields_of(request: Request) -> Fields:
    """The fields of a form that one of our own pages sent.

    Raises:
        Refused: It comes from elsewhere, is no form, or too large.
    """
    _require_own_origin(request)
    if request.headers.get("content-type", "").partition(";")[0].strip() != FORM:
        raise Refused(415, f"only {FORM} is taken")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise Refused(413, f"the form has more than {_MOST_BYTES:,} bytes; write less")
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise Refused(400, f"the form cannot be read: {error}") from error
    return dict(pairs)


def require_secret(fields: Fields, session: Session | None) -> Session:
    """The session that a form belongs to.

    Raises:
        Refused: Nobody is logged in, or the form is of another session.
    """
    if session is None:
        raise Refused(403, "log in with a registry token first; a login lasts an hour")
    if not session.holds(fields.get("csrf", "")):
        raise Refused(403, "the form is not of this session; load the page again and repeat")
    return session


def require_same(fields: Fields, cookie: str) -> None:
    """Hold a form of nobody's session to the cookie that came with it.

    Raises:
        Refused: They differ.
    """
    given = fields.get("csrf", "")
    if not cookie or not hmac.compare_digest(given.encode(), cookie.encode()):
        raise Refused(403, "the form is not of this browser; load the page again and repeat")


def _require_own_origin(request: Request) -> None:
    """Browsers say where a form comes from; cookies alone do not tell one local port from another.

    Raises:
        Refused: It is not from this very host and port.
    """
    origin, own = request.headers.get("origin"), f"http://{request.headers.get('host', '')}"
    if origin != own:
        raise Refused(403, f"Origin is {origin!r} and not {own!r}: send the form from its own page")
