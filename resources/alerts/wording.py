"""How a message reads: one line, a few lines, or a JSON document of stable names."""

from typing import Any

from resources.alerts.records import Delivery, Message, Said

VERSION = 1  # of the document; raised when a name of it changes its meaning


def title(message: Message) -> str:
    """One line: how bad, what happened, to what."""
    alert = message.alert
    of = f"{alert.model} {alert.subject}".strip()
    said = "is open" if message.says is Said.OPENED else message.says.value
    return " ".join(f"[{alert.severity}] {alert.kind} of {of}: {said}".split())


def lines(message: Message) -> list[str]:
    """What there is to know, a fact a line."""
    alert = message.alert
    told = [alert.detail]
    others = [model for model in alert.affects if model != alert.model]
    if others:
        told.append(f"affects {', '.join(others)}")
    if alert.opened_at:
        told.append(f"open since {alert.opened_at:%Y-%m-%d %H:%M} UTC")
    if message.says is not Said.TEST:
        told.append(f"mlplat alerts show {alert.id}")
    return told


def document(delivery: Delivery) -> dict[str, Any]:
    """The message for programs. `delivery` is the same at every attempt."""
    message, alert = delivery.message, delivery.message.alert
    return {
        "version": VERSION,
        "delivery": delivery.id,
        "event": message.says.value,
        "at": message.at.isoformat(),
        "alert": {
            "id": alert.id,
            "fingerprint": alert.fingerprint,
            "severity": alert.severity.value,
            "state": alert.state.value,
            "model": alert.model,
            "kind": alert.kind,
            "subject": alert.subject,
            "detail": alert.detail,
            "affects": list(alert.affects),
            "opened_at": alert.opened_at and alert.opened_at.isoformat(),
            "resolved_at": alert.resolved_at and alert.resolved_at.isoformat(),
        },
    }
