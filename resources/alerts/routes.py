"""Who is told of what: the file that MLPLAT_ALERTS names, with sinks and routes to them.

Secrets are in files of their own, so that this one can be shown.
"""

import ipaddress
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from resources.alerts.cloud import CloudWatch, Sns
from resources.alerts.hooks import Slack, Webhook
from resources.alerts.https import Endpoint, https_url
from resources.alerts.log import Log
from resources.alerts.mail import Mail
from resources.alerts.reach import Reach
from resources.alerts.records import Alert, Severity
from resources.alerts.sink import Sink

# A key of an HMAC-SHA256 shorter than its output can be guessed more easily than it (RFC 2104).
SECRET_BYTES = 32


class AlertsFileError(ValueError):
    """The file is wrong. Names it, the field and the remedy."""


@dataclass(frozen=True, kw_only=True)
class Routes:
    """The sinks, and which of them are told of what."""

    sinks: Mapping[str, Sink]
    routes: tuple["Route", ...]

    def sinks_of(self, alert: Alert) -> list[str]:
        """The names of the sinks that are told of an alert, each once."""
        found = [name for route in self.routes if route.takes(alert) for name in route.sinks]
        return list(dict.fromkeys(found))


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tells sinks of alerts of these severities and teams; by default of all."""

    sinks: tuple[str, ...]
    severities: tuple[Severity, ...] = tuple(Severity)
    teams: tuple[str, ...] = ()

    def takes(self, alert: Alert) -> bool:
        """Whether the sinks are told of the alert."""
        teams = {model.partition(".")[0] for model in (alert.model, *alert.affects)}
        return alert.severity in self.severities and (not self.teams or bool(teams & {*self.teams}))


class _Declared(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True,
                tag_field="kind"):  # fmt: skip
    """A sink of the file."""


class _Log(_Declared, frozen=True, kw_only=True, tag="log"):
    def made(self, folder: Path) -> Sink:
        return Log()


class _Webhook(_Declared, frozen=True, kw_only=True, tag="webhook"):
    url: str
    secret_file: str
    ca_file: str | None = None
    allow: tuple[str, ...] = ()

    def made(self, folder: Path) -> Sink:
        secret = _secret(folder, "secret_file", self.secret_file).encode()
        if len(secret) < SECRET_BYTES:
            raise ValueError(
                f"secret_file: {len(secret)} bytes are too few; write {SECRET_BYTES} or more, "
                "as of `openssl rand -hex 32`"
            )
        return Webhook(
            endpoint=_endpoint("url", self.url, self.allow, folder, self.ca_file), secret=secret
        )


class _Slack(_Declared, frozen=True, kw_only=True, tag="slack"):
    url_file: str
    ca_file: str | None = None
    allow: tuple[str, ...] = ()

    def made(self, folder: Path) -> Sink:
        url = _secret(folder, "url_file", self.url_file)
        return Slack(endpoint=_endpoint("url_file", url, self.allow, folder, self.ca_file))


class _Email(_Declared, frozen=True, kw_only=True, tag="email"):
    host: str
    sender: str
    recipients: tuple[str, ...]
    port: int = 587
    user: str | None = None
    password_file: str | None = None
    ca_file: str | None = None

    def made(self, folder: Path) -> Sink:
        if not self.recipients:
            raise ValueError("recipients: is empty; name one")
        if (self.user is None) is not (self.password_file is None):
            raise ValueError("user, password_file: one without the other; set both or none")
        named = self.password_file
        return Mail(
            host=self.host,
            port=self.port,
            sender=self.sender,
            recipients=self.recipients,
            user=self.user,
            password=_secret(folder, "password_file", named) if named else None,
            ca_file=folder / self.ca_file if self.ca_file else None,
        )


class _CloudWatch(_Declared, frozen=True, kw_only=True, tag="cloudwatch"):
    namespace: str = "mlplat"

    def made(self, folder: Path) -> Sink:
        return CloudWatch(namespace=self.namespace)


class _Sns(_Declared, frozen=True, kw_only=True, tag="sns"):
    topic: str

    def made(self, folder: Path) -> Sink:
        return Sns(topic=self.topic)


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    sinks: dict[str, _Log | _Webhook | _Slack | _Email | _CloudWatch | _Sns]
    routes: tuple[Route, ...]


def routes_of(file: Path | None) -> Routes:
    """What the file says; without one, all goes to the log.

    Raises:
        AlertsFileError: It cannot be read, or a field of it is wrong.
    """
    if file is None:
        return Routes(sinks={"log": Log()}, routes=(Route(sinks=("log",)),))
    declared = _read(file)
    for name in (name for route in declared.routes for name in route.sinks):
        if name not in declared.sinks:
            known = ", ".join(declared.sinks) or "none"
            raise AlertsFileError(f"{file}: routes: no sink is named {name!r}; known: {known}")
    sinks = {}
    for name, sink in declared.sinks.items():
        try:
            sinks[name] = sink.made(file.parent)
        except ValueError as error:
            raise AlertsFileError(f"{file}: sinks.{name}: {error}") from error
    return Routes(sinks=sinks, routes=declared.routes)


def _read(file: Path) -> _File:
    try:
        return msgspec.convert(tomllib.loads(file.read_text()), _File)
    except OSError as error:
        raise AlertsFileError(f"MLPLAT_ALERTS, {file}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise AlertsFileError(f"MLPLAT_ALERTS, {file}: {error}; see docs/alerts.md") from error


def _endpoint(
    where: str, url: str, allow: tuple[str, ...], folder: Path, ca_file: str | None
) -> Endpoint:
    try:
        found = https_url(url)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    try:
        networks = tuple(ipaddress.ip_network(each) for each in allow)
    except ValueError as error:
        raise ValueError(f"allow: {error}; write networks, like 10.1.2.0/24") from error
    ca = folder / ca_file if ca_file else None
    return Endpoint(url=found, reach=Reach(allowed=networks), ca_file=ca)


def _secret(folder: Path, where: str, name: str) -> str:
    try:
        text = (folder / name).read_text().strip()
    except OSError as error:
        raise ValueError(f"{where}: {folder / name}: {error.strerror}") from error
    if not text:
        raise ValueError(f"{where}: {folder / name} is empty; write the secret into it")
    return text
