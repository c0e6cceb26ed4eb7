"""Messages for the tests of sinks, and a real HTTPS server that keeps what it was sent."""

import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from resources.alerts.records import Alert, Delivery, Message, Said, Severity, State

AT = datetime(2013, 6, 1, 12, tzinfo=UTC)
ALERT = Alert(
    id=7,
    model="flights.arrival_delay",
    kind="null_spike",
    subject="weather__temp",
    severity=Severity.P0,
    state=State.OPEN,
    detail="2013-06-01: 93% of weather__temp are null <!channel>",
    affects=("flights.arrival_delay", "flights.departure_delay"),
    window="2013-06-01",
    failing=True,
    before=0,
    began_at=AT,
    opened_at=AT,
    told=Severity.P0,
)


def delivery(says: Said = Said.OPENED, number: int = 3, alert: Alert = ALERT) -> Delivery:
    message = Message(says=says, alert=alert, at=AT)
    return Delivery(id=number, sink="ops", message=message, attempts=0, due=AT)


@dataclass
class Listener:
    """What an HTTPS server was sent, and what it answers next."""

    port: int = 0
    ca_file: Path = Path()
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    taken: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/hooks/T0/secret-path"


@contextmanager
def listening(folder: Path) -> Iterator[Listener]:
    """A server with a certificate of its own for localhost."""
    found = Listener(ca_file=certificate(folder))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.taken.append((self.path, headers, body))
            status, extra = found.answers.pop(0) if found.answers else (200, {})
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tests' output is not the place."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = tls(folder).wrap_socket(server.socket, server_side=True)
    found.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def certificate(folder: Path) -> Path:
    """A certificate for localhost and its key, made once a folder."""
    made = folder / "localhost.pem"
    if not made.exists():
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                   "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                   "-keyout", str(folder / "localhost.key"), "-out", str(made)]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
    return made


def tls(folder: Path) -> ssl.SSLContext:
    """A server's context with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(folder), folder / "localhost.key")
    return context
