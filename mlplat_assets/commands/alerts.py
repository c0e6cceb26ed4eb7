"""`mlplat alerts`: the alert book on a terminal."""

import json
from datetime import datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from mlplat_assets.commands.output import add, counted, facts, moment, table
from mlplat_assets.commands.stores import opened_registry
from resources.alerts.records import Alert, Severity, State
from resources.registry.registry import Registry
from resources.settings import Settings

_STYLES = {
    Severity.P0: "bold red",
    Severity.P1: "red",
    Severity.P2: "yellow",
    Severity.P3: "cyan",
}
_NEWEST = 100


def list_alerts(
    settings: Settings, console: Console, model: str | None, *, every: bool, as_json: bool
) -> None:
    """Open alerts, or the newest that ever were."""
    with opened_registry(settings) as registry:
        book = registry.alerts
        found = book.newest(_NEWEST, model) if every else book.open(model)
        if as_json:
            console.print_json(json.dumps([_document(each) for each in found]))
            return
        if found:
            console.print(_listed(found))
        else:
            console.print(f"No alert{' ever was' if every else ' is open'}.", style="green")
        _tell_undelivered(console, registry)


def show(settings: Settings, console: Console, number: int) -> None:
    """One alert."""
    with opened_registry(settings) as registry:
        alert = registry.alerts.find(number)
        silenced = [each for each in registry.alerts.silences() if each.covers(alert)]
    taken = alert.acknowledged
    console.print(Text(f"{alert.kind} of {alert.model} {alert.subject}".strip(), style="bold"))
    console.print(
        facts(
            {
                "severity": _severity(alert.severity),
                "state": alert.state.value,
                "detail": alert.detail,
                "affects": ", ".join(alert.affects),
                "began UTC": moment(alert.began_at),
                "opened UTC": moment(alert.opened_at),
                "resolved UTC": moment(alert.resolved_at),
                "newest window": alert.window,
                "told as": alert.told and alert.told.value,
                "taken up by": taken and f"{taken.by}, {moment(taken.at)} UTC: {taken.reason}",
                "silenced until": ", ".join(str(moment(each.until)) for each in silenced),
            }
        )
    )


def acknowledge(settings: Settings, console: Console, number: int, reason: str) -> None:
    """Take an alert up."""
    with opened_registry(settings) as registry:
        alert = registry.alerts.acknowledge(number, reason=reason, actor=settings.actor)
    assert alert.acknowledged is not None  # it was just now
    _done(console, f"alert {alert.id} is taken up by {alert.acknowledged.by}.")


def silence(
    settings: Settings,
    console: Console,
    name: str,
    until: datetime,
    reason: str,
    *,
    kind: str | None,
    subject: str | None,
) -> None:
    """Silence what is named, which must be declared."""
    from mlplat_assets.alerts.findings import SEVERITIES
    from mlplat_assets.alerts.names import require_watched
    from mlplat_assets.catalogue import catalogue

    require_watched(name, catalogue())
    if kind is not None and kind not in SEVERITIES:
        raise ValueError(f"{kind!r} is no kind of alert; kinds are {', '.join(SEVERITIES)}")
    with opened_registry(settings) as registry:
        made = registry.alerts.silence(
            name, until=until, reason=reason, kind=kind, subject=subject, actor=settings.actor
        )
    about = " ".join(part for part in (kind, subject) if part) or "every alert"
    _done(console, f"{about} of {name} is silent until {moment(made.until)} UTC: {made.id}.")


def list_silences(settings: Settings, console: Console) -> None:
    """Silences in force."""
    with opened_registry(settings) as registry:
        found = registry.alerts.silences()
    if not found:
        console.print("No silence is in force.")
        return
    made = table("#", "OF", "KIND", "SUBJECT", "UNTIL UTC", "BY", "REASON", right=("#",))
    for each in found:
        until = moment(each.until)
        add(made, each.id, each.model, each.kind, each.subject, until, each.made_by, each.reason)
    console.print(made)


def unsilence(settings: Settings, console: Console, number: int, reason: str) -> None:
    """End a silence."""
    with opened_registry(settings) as registry:
        ended = registry.alerts.unsilence(number, reason=reason, actor=settings.actor)
    _done(console, f"silence {ended.id} of {ended.model} is over.")


def _listed(found: list[Alert]) -> Any:  # noqa: ANN401  rich's table
    made = table("#", "SEVERITY", "STATE", "WHAT", "SINCE UTC", "DETAIL", right=("#",))
    for alert in found:
        state = "taken up" if alert.acknowledged and alert.state is State.OPEN else alert.state
        add(
            made,
            alert.id,
            _severity(alert.severity),
            str(state),
            Text(f"{alert.kind} {alert.subject}".strip()) + Text(f"\n{alert.model}", style="dim"),
            moment(alert.opened_at),
            alert.detail,
        )
    return made


def _tell_undelivered(console: Console, registry: Registry) -> None:
    """What a sink has not taken: an alert that nobody heard of is told here at least."""
    waiting = registry.outbox.undelivered()
    failing = [each for each in waiting if each.error]
    if waiting:
        console.print(f"\n{counted(len(waiting), 'message')} not delivered yet.", style="yellow")
    for each in failing:
        told = f"  {each.sink}: {each.error}, tried {counted(each.attempts, 'time')}"
        console.print(Text(told, style="yellow"))


def _document(alert: Alert) -> dict[str, Any]:
    return {"fingerprint": alert.fingerprint, **msgspec.to_builtins(alert)}


def _severity(severity: Severity) -> Text:
    return Text(severity.value, style=_STYLES[severity])


def _done(console: Console, told: str) -> None:
    console.print(Text("✓ ", style="green") + Text(told))
