"""An answer handed to the connection in one piece.

ASGI sends head and body one after the other, and uvicorn writes each: two system calls and two
packets, and names and values of headers looked through for what is never in ours.
"""

from collections.abc import Sequence
from logging import INFO

from starlette.types import Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from bentos.model_server.front.refusal import HeaderPairs

_JSON = b"content-type: application/json\r\ncontent-length: %d\r\n"
_CLOSE = b"connection: close\r\n"


class _Defaults:
    """The server's own headers as bytes; the server makes another list of them each second."""

    def __init__(self) -> None:
        self._headers: Sequence[tuple[bytes, bytes]] = ()
        self._start: dict[int, bytes] = {}

    def start(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        """What every answer of a status begins with."""
        if headers is not self._headers:
            self._headers, self._start = headers, {}
        start = self._start.get(status)
        if start is None:
            start = self._start[status] = STATUS_LINE[status] + _lines(headers)
        return start


_defaults = _Defaults()


def _lines(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def whole_answer(
    status: int,
    defaults: Sequence[tuple[bytes, bytes]],
    body: bytes,
    keeps: bool,
    headers: HeaderPairs = (),
) -> bytes:
    """A JSON answer, head and body; `defaults` are the server's own headers."""
    return b"".join(
        (
            _defaults.start(status, defaults),
            _JSON % len(body),
            _lines(headers) if headers else b"",
            b"\r\n" if keeps else _CLOSE + b"\r\n",
            body,
        )
    )


def sent_whole(send: Send, status: int, body: bytes) -> bool:
    """Send a JSON answer to a request with a body; False if it must go the ordinary way.

    It must where the server is not uvicorn, where something was sent already, and where the client
    does not take what it is sent: the ordinary way waits for it.
    """
    cycle = getattr(send, "__self__", None)
    if type(cycle) is not RequestResponseCycle:
        return False
    if cycle.response_started or cycle.disconnected or cycle.flow.write_paused:
        return False
    # Under BentoML the logger has handlers, of its root, and a level that lets nothing through.
    if cycle.access_log and cycle.access_logger.isEnabledFor(INFO):
        return False
    if cycle.scope["method"] == "HEAD":
        return False
    keeps = cycle.keep_alive
    cycle.transport.write(whole_answer(status, cycle.default_headers, body, keeps))
    cycle.waiting_for_100_continue = False
    cycle.response_started = cycle.response_complete = True
    cycle.chunked_encoding = False
    cycle.message_event.set()
    if not keeps:
        cycle.transport.close()
    cycle.on_response()
    return True
