"""The process that `bentoml serve` runs in, which starts the workers and holds the socket.

BentoML runs circus there. As BentoML sets it up, circus takes commands on a loopback port without
asking who sends them (any program of the machine could stop the service, or start another one in
its place), starts a dead worker again after up to ten seconds, and at the end resets connections
that nobody had accepted yet. `prepare_supervisor` changes these three.
"""

import ctypes
import os
import signal
import socket
import struct
import sys
import uuid
from collections.abc import Iterable
from logging import getLogger
from typing import Any

from bentos.model_server.front.access import StartRefused, bound_address, refuse_open_start
from bentos.model_server.front.drain import DRAIN_SECONDS
from resources.serving_tokens import TokensUnusable
from resources.settings import from_environment

# Between the last new connection and the end of accepting: a handshake over the network.
_MARGIN_SECONDS = 0.4
_LOOK_SECONDS = 1.0
# asm-generic/socket.h; Python's socket module does not name it.
_SO_ATTACH_FILTER = 26
# A classic BPF program over the TCP header: drop what has SYN without ACK, keep the rest.
_NO_SYN = ((0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (6, 0, 0, 0), (6, 0, 0, 2**18))
_log = getLogger("bentoml.mlplat.supervisor")


def prepare_supervisor() -> None:
    """Refuse an open start, and have this process's circus be as the module says.

    Raises:
        SystemExit: The service would answer everybody, or its tokens cannot be read.
    """
    frame = sys._getframe()
    # BentoML tells nobody the address; the function that is about to bind it knows.
    while frame is not None and frame.f_code.co_name != "serve_http":
        frame = frame.f_back
    host = None if frame is None else frame.f_locals.get("host")
    try:
        refuse_open_start(host, from_environment().serving_tokens)
    except (StartRefused, TokensUnusable) as error:
        raise SystemExit(f"mlplat: {error}") from error
    _change_circus()


def refuse_open_worker() -> None:
    """Refuse an open start in a worker, by its socket.

    Raises:
        SystemExit: The same. The supervisor is ended too: it would start the worker for ever.
    """
    try:
        refuse_open_start(bound_address(sys.argv), from_environment().serving_tokens)
    except (StartRefused, TokensUnusable) as error:
        _log.critical("%s", error)
        os.kill(os.getppid(), signal.SIGTERM)
        raise SystemExit(1) from error


def turn_away(sockets: Iterable[socket.socket]) -> None:
    """Let no new connection begin; those that have begun can be accepted still.

    A client that comes now hears nothing, and is refused when it tries again after the end. With
    a closed socket it would be reset after it had sent its request.
    """
    program = b"".join(struct.pack("HBBI", *step) for step in _NO_SYN)
    held = ctypes.create_string_buffer(program)
    value = struct.pack("HL", len(_NO_SYN), ctypes.addressof(held))
    for each in sockets:
        try:
            each.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, value)
        except OSError as error:
            _log.warning("connections that begin while the service ends may be reset: %s", error)


def _change_circus() -> None:
    from bentoml._internal.utils.circus import Arbiter

    class Supervisor(Arbiter):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            # Inside of the process: nobody else commands it. Signals do.
            name = f"inproc://mlplat-{uuid.uuid4().hex}"
            ours = {"endpoint": f"{name}-commands", "pubsub_endpoint": f"{name}-events"}
            super().__init__(*args, **(kwargs | ours | {"check_delay": _LOOK_SECONDS}))

        def stop(self) -> Any:  # noqa: ANN401  (a future of tornado)
            assert self.loop is not None
            self.loop.call_later(
                DRAIN_SECONDS - _MARGIN_SECONDS, turn_away, list(self.sockets.values())
            )
            return super().stop()

    import bentoml._internal.utils.circus as circus

    circus.Arbiter = Supervisor
