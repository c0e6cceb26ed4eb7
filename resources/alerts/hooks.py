"""Sinks over HTTPS: a webhook that is signed, and Slack's."""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from resources.alerts.https import Endpoint
from resources.alerts.records import Delivery, Said
from resources.alerts.wording import document, lines, title

# Red, orange, yellow, blue; green when it is over.
_COLOURS = {"P0": "#b3261e", "P1": "#d9730d", "P2": "#cb9b00", "P3": "#3b6fb6"}
_OVER = "#2e7d4f"


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """A JSON document, signed with a shared secret.

    `X-Mlplat-Signature` is `v1=` and the HMAC-SHA256, in hex, of `X-Mlplat-Timestamp` (seconds
    since 1970), a full stop, and the body. A receiver compares it in constant time, refuses a
    timestamp that is minutes old, and drops an `X-Mlplat-Delivery` that it has seen.
    """

    endpoint: Endpoint
    secret: bytes = field(repr=False)

    def deliver(self, delivery: Delivery, at: datetime) -> None:
        """Post the message."""
        body = msgspec.json.encode(document(delivery))
        stamp = str(int(at.timestamp()))
        headers = {
            "x-mlplat-delivery": str(delivery.id),
            "x-mlplat-timestamp": stamp,
            "x-mlplat-signature": signature(self.secret, stamp, body),
        }
        self.endpoint.post(body, headers)


@dataclass(frozen=True, kw_only=True)
class Slack:
    """A message of Slack's incoming webhooks. Its URL is the secret."""

    endpoint: Endpoint

    def deliver(self, delivery: Delivery, at: datetime) -> None:
        """Post the message."""
        message = delivery.message
        over = message.says is Said.RESOLVED
        body = {
            "text": _escaped(title(message)),
            "attachments": [
                {
                    "color": _OVER if over else _COLOURS[message.alert.severity],
                    "text": "\n".join(_escaped(line) for line in lines(message)),
                }
            ],
        }
        self.endpoint.post(msgspec.json.encode(body), {})


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """What vouches for a body and the moment it was sent."""
    return "v1=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def _escaped(text: str) -> str:
    """Slack's three special letters, so that a subject cannot mention a channel or forge a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
