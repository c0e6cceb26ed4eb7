"""How much is taken on at a time, for how long, and in what form."""

from collections.abc import Mapping
from time import monotonic

from bentos.model_server.answering.deadlines import DEADLINE_SECONDS
from bentos.model_server.front.refusal import Refusal

# Requests under way in one process. A core answers 4,000 to 10,000 a second, so the last of so many
# waits 50 to 130 ms; more would only wait longer. 64 busy connections have 64 under way.
IN_FLIGHT = 512
# A batch may have 4 MiB: sixteen of them hold 64 MiB.
BATCHES = 16
LONGEST_TIMEOUT_MS = 60_000
TIMEOUT_HEADER = b"x-request-timeout-ms"

Headers = Mapping[bytes, bytes]

OVERLOADED = Refusal(
    status=429,
    error="this process has all the requests under way that it takes; try again in a second",
    headers=((b"retry-after", b"1"),),
)
COMPRESSED = Refusal(
    status=415,
    error="the body is compressed; send it as it is, without Content-Encoding",
    headers=((b"accept-encoding", b"identity"),),
)
FOREIGN = Refusal(
    status=415,
    error="the body is not JSON; send it with Content-Type: application/json",
    headers=((b"accept", b"application/json"),),
)


class Overloaded(RuntimeError):
    """There is no room for another request."""


class Admission:
    """Counts requests under way; used on the event loop only."""

    def __init__(self, limit: int) -> None:
        self.in_flight = 0
        self._limit = limit

    def enter(self) -> bool:
        """Take a request on, if there is room for it."""
        if self.in_flight >= self._limit:
            return False
        self.in_flight += 1
        return True


def body_refusal(kind: bytes | None, encoding: bytes | None) -> Refusal | None:
    """Why a body of this Content-Type and Content-Encoding is not taken: 415."""
    if encoding is not None and encoding.lower() != b"identity":
        return COMPRESSED
    if kind is None or kind.partition(b";")[0].strip().lower() == b"application/json":
        return None
    return FOREIGN


def too_long(limit: int) -> Refusal:
    """Of a body that says it is longer than this: 413."""
    # Closed, because the rest of such a body would have to be read to find the next request.
    return Refusal(
        status=413,
        error=f"the body is longer than {limit} bytes",
        headers=((b"connection", b"close"),),
    )


def deadline(given: bytes | None) -> float | Refusal:
    """When the client stops waiting, in seconds of `time.monotonic`; or 400."""
    if given is None:
        return monotonic() + DEADLINE_SECONDS
    if given.isdigit() and 0 < (milliseconds := int(given[:8])) <= LONGEST_TIMEOUT_MS:
        return monotonic() + milliseconds / 1000
    return Refusal(
        status=400,
        error=f"x-request-timeout-ms is {given[:20].decode('latin-1')!r}: give whole milliseconds "
        f"from 1 to {LONGEST_TIMEOUT_MS}",
    )
