"""An answer handed to the connection in one piece.

ASGI sends head and body one after the other, and uvicorn writes each: two system calls and two
packets, and names and values of headers looked through for what is never in ours.
"""

from logging import INFO

from starlette.types import Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_HEAD = b"content-type: application/json\r\ncontent-length: %d\r\n"
_CLOSE = b"connection: close\r\n"


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
    head = [b"%b: %b\r\n" % header for header in cycle.default_headers]
    keeps = cycle.keep_alive
    cycle.transport.write(
        b"".join(
            (
                STATUS_LINE[status],
                *head,
                _HEAD % len(body),
                b"" if keeps else _CLOSE,
                b"\r\n",
                body,
            )
        )
    )
    cycle.waiting_for_100_continue = False
    cycle.response_started = cycle.response_complete = True
    cycle.chunked_encoding = False
    cycle.message_event.set()
    if not keeps:
        cycle.transport.close()
    cycle.on_response()
    return True
