"""E-mail through a real SMTP server on the loopback, with STARTTLS and a login."""

import base64
import email
import socketserver
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.policy import default
from pathlib import Path
from threading import Thread

import pytest

from resources.alerts.mail import Mail
from resources.alerts.records import Said
from resources.alerts.sink import SinkFailed
from tests.resources.alerts.deliveries import ALERT, AT, delivery, tls

PASSWORD = "correct horse"


class Post(socketserver.ThreadingTCPServer):
    """An SMTP server that keeps mail which came under TLS and after a login."""

    daemon_threads = True
    mails: list[bytes]
    context: ssl.SSLContext | None


class Session(socketserver.StreamRequestHandler):
    server: Post  # pyright: ignore[reportIncompatibleVariableOverride]

    def handle(self) -> None:
        self.secure = self.known = False
        self.say("220 post ready")
        while line := self.rfile.readline().decode().strip():
            verb = line.split()[0].upper()
            if verb == "QUIT":
                self.say("221 bye")
                return
            getattr(self, f"on_{verb.lower()}", self.on_other)(line)

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    def on_ehlo(self, _: str) -> None:
        offers = "250 STARTTLS" if self.server.context and not self.secure else "250 AUTH PLAIN"
        self.say("250-post", offers)

    def on_starttls(self, _: str) -> None:
        assert self.server.context is not None
        self.say("220 go")
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile.close()
        self.wfile.close()
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.secure = True

    def on_auth(self, line: str) -> None:
        self.known = base64.b64decode(line.split()[2]).decode() == f"\0mlplat\0{PASSWORD}"
        self.say("235 welcome" if self.known else "535 no such login as wrong staple")

    def on_rcpt(self, line: str) -> None:
        self.say("550 nobody here" if "nobody@" in line else "250 ok")

    def on_data(self, _: str) -> None:
        self.say("354 go")
        lines = list(iter(self.rfile.readline, b".\r\n"))
        assert self.secure and self.known
        self.server.mails.append(b"".join(lines))
        self.say("250 taken")

    def on_other(self, _: str) -> None:
        self.say("250 ok")


@contextmanager
def post(context: ssl.SSLContext | None) -> Iterator[Post]:
    with Post(("127.0.0.1", 0), Session) as server:
        server.mails, server.context = [], context
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificate")


@pytest.fixture
def server(folder: Path) -> Iterator[Post]:
    with post(tls(folder)) as found:
        yield found


def mail(server: Post, folder: Path, *recipients: str) -> Mail:
    return Mail(
        host="localhost",
        port=server.server_address[1],
        sender="mlplat@flights.example.com",
        recipients=recipients or ("ana@flights.example.com", "ben@flights.example.com"),
        user="mlplat",
        password=PASSWORD,
        ca_file=folder / "localhost.pem",
    )


def test_a_mail_arrives_and_says_what_there_is_to_know(server: Post, folder: Path) -> None:
    mail(server, folder).deliver(delivery(), AT)
    found = email.message_from_bytes(server.mails[0], policy=default)
    assert found["subject"] == "[P0] null_spike of flights.arrival_delay weather__temp: is open"
    assert found["to"] == "ana@flights.example.com, ben@flights.example.com"
    text = found.get_content()
    assert "93% of weather__temp are null" in text and "mlplat alerts show 7" in text


def test_mails_of_one_alert_are_one_thread_and_a_repetition_is_the_same_mail(
    server: Post, folder: Path
) -> None:
    for number, says in ((3, Said.OPENED), (3, Said.OPENED), (4, Said.RESOLVED)):
        mail(server, folder).deliver(delivery(says, number), AT)
    found = [email.message_from_bytes(each, policy=default) for each in server.mails]
    assert len({each["references"] for each in found}) == 1
    assert [each["message-id"] for each in found] == [
        f"<delivery-{number}.mlplat@flights.example.com>" for number in (3, 3, 4)
    ]


def test_a_subject_of_two_lines_makes_no_header(server: Post, folder: Path) -> None:
    sly = replace(ALERT, subject="temp\r\nBcc: eve@example.com")
    mail(server, folder).deliver(delivery(alert=sly), AT)
    found = email.message_from_bytes(server.mails[0], policy=default)
    assert found["bcc"] is None and "Bcc: eve@example.com" in found["subject"]


def test_nothing_is_sent_to_a_server_without_starttls(folder: Path) -> None:
    with post(None) as plain, pytest.raises(SinkFailed, match="localhost: SMTPNotSupportedError"):
        mail(plain, folder).deliver(delivery(), AT)
    assert plain.mails == []


def test_a_wrong_password_is_told_without_it(server: Post, folder: Path) -> None:
    sink = replace(mail(server, folder), password="wrong staple")
    with pytest.raises(SinkFailed, match="SMTPAuthenticationError, status 535") as refused:
        sink.deliver(delivery(), AT)
    assert "staple" not in str(refused.value) and "staple" not in repr(sink)


def test_a_recipient_that_is_refused_is_told(server: Post, folder: Path) -> None:
    sink = mail(server, folder, "ana@flights.example.com", "nobody@flights.example.com")
    with pytest.raises(SinkFailed, match=r"refused nobody@flights\.example\.com"):
        sink.deliver(delivery(), AT)


def test_a_server_that_is_away_is_told(server: Post, folder: Path) -> None:
    away = replace(mail(server, folder), port=1)
    with pytest.raises(SinkFailed, match="localhost: ConnectionRefusedError: Connection refused"):
        away.deliver(delivery(), AT)
