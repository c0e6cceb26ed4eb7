"""What a request must pass before a route sees it: the Host or a token, its form, the room left."""

from functools import lru_cache

import msgspec

from bentos.model_server.front.access import Access
from bentos.model_server.front.admission import (
    BATCH_WEIGHT,
    COMPRESSED,
    FOREIGN,
    OVERLOADED,
    TIMEOUT_HEADER,
    Admission,
    Headers,
    body_refusal,
    deadline,
    too_long,
)
from bentos.model_server.front.refusal import Refusal
from bentos.model_server.meter import Meter

BODY_BYTES = 64 * 1024
BATCH_BYTES = 4 * 1024 * 1024


class Route(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a path takes; `weight` is how much of the process's room a request needs."""

    methods: tuple[str, ...]
    weight: int = 0
    limit: int = BODY_BYTES


_GET = Route(methods=("GET", "HEAD"))
# Every path that is answered. BentoML may learn another one: it stays a 404 until it is here.
OURS = {
    "/v1/predict": Route(methods=("POST",), weight=1),
    "/v1/predict/batch": Route(methods=("POST",), weight=BATCH_WEIGHT, limit=BATCH_BYTES),
    "/v1/model": Route(methods=("GET",)),
    "/v1/openapi.json": Route(methods=("GET",)),
    # In place of BentoML's page and document: a page without a tag manager, and
    # with ours merged in.
    "/": _GET,
    "/docs.json": Route(methods=("GET",)),
}
BENTOML = {
    "/healthz": _GET,
    "/livez": _GET,
    "/metrics": _GET,
    "/predict": Route(methods=("POST",), weight=1),
    "/readyz": _GET,
    "/schema.json": _GET,
}
# The files of the page at `/`.
BENTOML_FOLDER = "/static_content/"
_ROUTES = OURS | BENTOML | {BENTOML_FOLDER: _GET}
_ENCODING = b"content-encoding"
# Longer values of a header are nobody's, and are not kept in memory.
_REMEMBERED = 100


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """A request that has passed.

    Attributes:
        client: The name of its token, None where there are no tokens.
        deadline: When the client stops waiting, in seconds of `time.monotonic`.
        headers: By name in lower case; of several the last.
        weight: What `Gate.leave` gives back.
        limit: Bytes that its body may have.
    """

    client: str | None
    deadline: float
    headers: Headers
    weight: int
    limit: int


class Gate:
    """Lets requests in and counts those inside; used on the event loop only."""

    def __init__(self, *, access: Access, admission: Admission, meter: Meter) -> None:
        self._access = access
        self._admission = admission
        self._meter = meter
        meter.gauges["in_flight"] = lambda: self._admission.in_flight

    def look(self, method: str, path: str, headers: Headers) -> Admitted | Refusal:
        """What a request is admitted as, or why not; a refusal is counted."""
        found = self._found(method, path, headers)
        if type(found) is Refusal:
            self.refused(found.status)
        return found

    def refused(self, status: int) -> None:
        """Count a request that was refused before it was routed."""
        self._meter.answered(status, "", 0, 0.0)

    def leave(self, admitted: Admitted) -> None:
        """The request is answered."""
        self._admission.in_flight -= admitted.weight

    def _found(self, method: str, path: str, headers: Headers) -> Admitted | Refusal:
        client = self._access.client(path, headers)
        if type(client) is Refusal:
            return client
        route = _formed(method, path, headers.get(b"content-type"), headers.get(_ENCODING))
        if type(route) is Refusal:
            return route
        length = headers.get(b"content-length")
        # A length of four digits is below every limit.
        if length is not None and len(length) > 4 and int(length) > route.limit:
            return too_long(route.limit)
        until = deadline(headers.get(TIMEOUT_HEADER))
        if type(until) is Refusal:
            return until
        if not self._admission.enter(route.weight):
            self._meter.counts["overloaded"] += 1
            return OVERLOADED
        return Admitted(client, until, headers, route.weight, route.limit)


def _formed(method: str, path: str, kind: bytes | None, encoding: bytes | None) -> Route | Refusal:
    """The route that takes a request of this form; nearly all requests have the same."""
    if kind is not None and len(kind) > _REMEMBERED:
        return FOREIGN
    if encoding is not None and len(encoding) > _REMEMBERED:
        return COMPRESSED
    if path not in _ROUTES:
        if not path.startswith(BENTOML_FOLDER):
            return Refusal(status=404, error=f"there is nothing at {path[:100]}")
        path = BENTOML_FOLDER
    return _judged(method, path, kind, encoding)


@lru_cache(1024)
def _judged(method: str, path: str, kind: bytes | None, encoding: bytes | None) -> Route | Refusal:
    route = _ROUTES[path]
    if method not in route.methods:
        allowed = ", ".join(route.methods)
        return Refusal(
            status=405,
            error=f"this path takes {allowed} only",
            headers=((b"allow", allowed.encode()),),
        )
    return (body_refusal(kind, encoding) if method == "POST" else None) or route
