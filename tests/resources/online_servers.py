"""A relay in front of Redis that counts round trips, falls silent or hangs up when told."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

_CHUNK = 1 << 20


class Relay:
    """Forwards bytes between its clients and the server at `url`; `url` leads through it.

    A round trip is a change from the client speaking to the server speaking.
    """

    def __init__(self, url: str) -> None:
        found = urlsplit(url)
        self._server = (found.hostname or "127.0.0.1", found.port or 6379)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []
        self._speaker = ""
        self.round_trips = 0
        self.is_silent = False
        self.url = found._replace(netloc=f"127.0.0.1:{self._listener.getsockname()[1]}").geturl()
        self._start(self._accept)

    def hang_up(self) -> None:
        """Close every connection, as a restarting server does."""
        for sockets in self._pairs:
            for one in sockets:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()

    def close(self) -> None:
        """Stop listening and hang up."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(timeout=10)

    def _start(self, run, *arguments) -> None:
        self._threads.append(threading.Thread(target=run, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._pairs.append((client, server))
                self._start(self._forward, "client", client, server)
                self._start(self._forward, "server", server, client)

    def _forward(self, speaker: str, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError), source:
            while data := source.recv(_CHUNK):
                self.round_trips += (self._speaker, speaker) == ("client", "server")
                self._speaker = speaker
                if not self.is_silent:
                    target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
