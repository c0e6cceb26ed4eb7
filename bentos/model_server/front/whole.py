"""Answers written in one piece, past uvicorn's two messages.

uvicorn writes the head and the body of an answer apart, and uvloop hands each to the kernel at
once: two writes, and every header is looked at for what no header of ours holds.
"""

from starlette.types import Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n"


def write_whole(send: Send, body: bytes) -> bool:
    """Write a whole 200 of JSON if the server is uvicorn's and the client reads; False if not."""
    cycle = getattr(send, "__self__", None)
    if type(cycle) is not RequestResponseCycle or cycle.flow.write_paused:
        return False
    if cycle.response_started or cycle.scope["method"] == "HEAD":
        return False
    if cycle.disconnected:
        return True
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    close = b"" if cycle.keep_alive else b"connection: close\r\n"
    extra = b"".join([b"%s: %s\r\n" % pair for pair in cycle.default_headers])
    cycle.transport.write(_HEAD % (len(body), extra + close) + body)
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True
