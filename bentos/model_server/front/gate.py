"""What a request must pass before a route sees it: the Host or a token, its form, the room left."""

from functools import lru_cache

import msgspec

from bentos.model_server.front.access import Access
from bentos.model_server.front.admission import (
    BATCHES,
    COMPRESSED,
    FOREIGN,
    IN_FLIGHT,
    OVERLOADED,
    TIMEOUT_HEADER,
    Admission,
    Headers,
    Overloaded,
    body_refusal,
    deadline,
    too_long,
)
from bentos.model_server.front.refusal import Refusal
from bentos.model_server.meter import Meter

BODY_BYTES = 64 * 1024
BATCH_BYTES = 4 * 1024 * 1024


class Route(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a path takes: methods, and bytes of a body."""

    methods: tuple[str, ...]
    limit: int = BODY_BYTES


_GET = Route(methods=("GET", "HEAD"))
# Every path that is answered. BentoML may learn another one: it stays a 404 until it is here.
OURS = {
    "/v1/predict": Route(methods=("POST",)),
    "/v1/predict/batch": Route(methods=("POST",), limit=BATCH_BYTES),
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
    "/predict": Route(methods=("POST",)),
    "/readyz": _GET,
    "/schema.json": _GET,
}
# The files of the page at `/`.
BENTOML_FOLDER = "/static_content/"
_ROUTES = OURS | BENTOML | {BENTOML_FOLDER: _GET}
_ENCODING = b"content-encoding"
# Longer values of a header are nobody's, and are not kept in memory.
_REMEMBERED = 100


class Admitted(msgspec.Struct, gc=False):
    """A request that has passed.

    Attributes:
        client: The name of its token, None where there are no tokens.
        deadline: When the client stops waiting, in seconds of `time.monotonic`.
        headers: By name in lower case; of several the last.
        limit: Bytes that its body may have.
        room: Where it is counted, and `Gate.leave` gives it back; None: nowhere.
    """

    client: str | None
    deadline: float
    headers: Headers
    limit: int
    room: Admission | None = None


class Gate:
    """Lets requests in and counts those inside; used on the event loop only.

    A request is counted once its body is there, so that slow clients hold nobody else up; a batch
    before, so that the bodies of batches fit into memory. Slow batches hold up batches only.
    """

    def __init__(self, *, access: Access, meter: Meter) -> None:
        self._access = access
        self._meter = meter
        self._requests = Admission(IN_FLIGHT)
        self._batches = Admission(BATCHES)
        meter.gauges["in_flight"] = lambda: self._requests.in_flight + self._batches.in_flight

    def look(self, method: str, path: str, headers: Headers) -> Admitted | Refusal:
        """What a request is admitted as, or why not; a refusal is counted."""
        found = self._found(method, path, headers)
        if type(found) is Refusal:
            self.refused(found.status)
        return found

    def refused(self, status: int) -> None:
        """Count a request that was refused before it was routed."""
        self._meter.answered(status, "", 0, 0.0)

    def enter(self, admitted: Admitted) -> None:
        """Count a request whose body is there.

        Raises:
            Overloaded: There are too many under way; this has been counted.
        """
        if not self._requests.enter():
            self._meter.counts["overloaded"] += 1
            self.refused(OVERLOADED.status)
            raise Overloaded
        admitted.room = self._requests

    def leave(self, admitted: Admitted) -> None:
        """The request is answered."""
        if admitted.room is not None:
            admitted.room.in_flight -= 1

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
        if route.limit != BATCH_BYTES:
            return Admitted(client, until, headers, route.limit)
        if self._batches.enter():
            return Admitted(client, until, headers, route.limit, self._batches)
        self._meter.counts["overloaded"] += 1
        return OVERLOADED


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
