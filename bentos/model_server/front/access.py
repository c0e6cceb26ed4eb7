"""Who may ask: a token where tokens are configured, else only this machine's own programs.

Without tokens nothing listens beyond the loopback, and a request must name a loopback host: a
page in a browser whose name resolves to 127.0.0.1 (DNS rebinding) names its own.
"""

import hmac
import ipaddress
import socket
import threading
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from logging import getLogger
from pathlib import Path

from bentos.model_server.front.refusal import Refusal
from resources.serving_tokens import ServingToken, TokensUnusable, read_tokens

# The orchestrator that asks whether the process lives has no token.
OPEN_PATHS = frozenset({"/livez", "/readyz"})
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_READ_SECONDS = 1.0
_BEARER = b"bearer "
_HOST_BYTES = 256
_log = getLogger("bentoml.mlplat.access")

Headers = Mapping[bytes, bytes]


class StartRefused(RuntimeError):
    """The service would listen beyond the loopback to everybody."""


_UNKNOWN = Refusal(
    status=401,
    error="no valid token; send the header Authorization: Bearer TOKEN, "
    "made by `mlplat tokens serving NAME`",
    headers=((b"www-authenticate", b'Bearer realm="mlplat"'),),
)


class ClientTokens:
    """The tokens on file, read again when the file changes.

    Raises TokensUnusable where the file cannot be read at first; later the last known tokens
    stand, and the log says so.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = _signature(path)
        self._held = _by_hash(read_tokens(path))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="mlplat-tokens", daemon=True)

    def start(self) -> None:
        """Look at the file about once a second from now on, off the path of requests."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def holder(self, text: bytes) -> str | None:
        """Whose token this is, None for nobody's; takes as long whichever it is."""
        presented = sha256(text).digest()
        found = None
        for digest, name in self._held:
            if hmac.compare_digest(digest, presented):
                found = name
        return found

    def refresh(self) -> None:
        """Read the file again if it is another one than was read last."""
        seen = _signature(self._path)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._held = _by_hash(read_tokens(self._path))
        except TokensUnusable as error:
            _log.warning("the tokens known before stand: %s", error)
        else:
            _log.info("%d tokens are admitted now", len(self._held))

    def _follow(self) -> None:
        while not self._stop.wait(_READ_SECONDS):
            self.refresh()


class Access:
    """Lets requests in, by their headers."""

    def __init__(self, tokens: ClientTokens | None) -> None:
        self._tokens = tokens

    def client(self, path: str, headers: Headers) -> str | Refusal | None:
        """The name of the client, None for one that needs no name, or why it is refused."""
        if self._tokens is None:
            host = headers.get(b"host", b"")
            # A longer one is no name, and not worth remembering.
            is_ours = len(host) < _HOST_BYTES and is_loopback_host(host)
            return None if is_ours else _other_host(host)
        if path in OPEN_PATHS:
            return None
        given = headers.get(b"authorization", b"")
        if given[:7].lower() != _BEARER:
            return _UNKNOWN
        return self._tokens.holder(given[7:].strip()) or _UNKNOWN


@lru_cache(1024)
def is_loopback_host(host: bytes) -> bool:
    """Whether a Host header names this machine's loopback, on any port."""
    try:
        text = host.decode("ascii").lower()
    except UnicodeDecodeError:
        return False
    bare, colon, port = text.rpartition(":")
    if colon and port.isdecimal():
        text = bare
    return text in _LOOPBACK_NAMES


def is_loopback_address(host: str) -> bool:
    """Whether a server that binds this address is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bound_address(arguments: list[str]) -> str | None:
    """The address of the socket that a worker was started with, None for none or for a file."""
    if "--fd" not in arguments:
        return None
    number = int(arguments[arguments.index("--fd") + 1])
    # A duplicate, because closing the object closes what it holds.
    with socket.fromfd(number, socket.AF_INET, socket.SOCK_STREAM) as bound:
        name = bound.getsockname()
    return name[0] if isinstance(name, tuple) else None


def refuse_open_start(host: str | None, tokens: Path | None) -> None:
    """Refuse a start that would answer everybody who reaches the machine.

    Raises:
        StartRefused: The address is not a loopback one and there are no tokens.
        TokensUnusable: The tokens' file cannot be read.
    """
    if tokens is not None:
        read_tokens(tokens)
    elif host is not None and not is_loopback_address(host):
        raise StartRefused(
            f"refused to listen on {host} without tokens: set MLPLAT_SERVING_TOKENS to a file made "
            "by `mlplat tokens serving NAME`, or serve with --host 127.0.0.1"
        )


def _other_host(host: bytes) -> Refusal:
    named = host[:100].decode("ascii", "replace")
    return Refusal(
        status=400,
        error=f"Host {named!r} is not this machine's loopback, and without tokens nobody else is "
        "answered",
    )


def _by_hash(tokens: tuple[ServingToken, ...]) -> tuple[tuple[bytes, str], ...]:
    return tuple(
        (bytes.fromhex(token.hash.removeprefix("sha256:")), token.name) for token in tokens
    )


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)
