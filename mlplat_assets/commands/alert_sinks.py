"""`mlplat alerts test` and `rules`: whether sinks are reached, and what Prometheus is to watch."""

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from resources.alerts.records import Alert, Delivery, Message, Said, Severity, State
from resources.alerts.routes import routes_of
from resources.alerts.sink import SinkFailed
from resources.settings import Settings


def send_test(settings: Settings, console: Console, name: str | None) -> bool:
    """A test message to one sink or all; returns whether every one took it."""
    sinks = routes_of(settings.alerts).sinks
    if name is not None and name not in sinks:
        raise LookupError(f"MLPLAT_ALERTS has no sink {name!r}; it has {', '.join(sinks)}")
    now, taken = datetime.now(UTC), True
    for each in [name] if name else sinks:
        try:
            sinks[each].deliver(_test_message(each, settings.actor, now), now)
        except SinkFailed as error:
            taken = False
            console.print(Text("✗ ", style="red") + Text(f"{each}: {error}"))
        else:
            console.print(Text("✓ ", style="green") + Text(f"{each} has taken a test message."))
    return taken


def write_rules(settings: Settings, console: Console, folder: Path) -> None:
    """Prometheus' rules and Grafana's dashboard of the declared models and views."""
    from mlplat_assets.alerts.grafana import dashboard
    from mlplat_assets.alerts.prometheus import rules
    from mlplat_assets.catalogue import catalogue

    folder.mkdir(parents=True, exist_ok=True)
    declared = catalogue()
    for file, text in [
        ("mlplat_rules.yml", rules(declared)),
        ("mlplat_models.json", dashboard(declared)),
    ]:
        (folder / file).write_text(text)
        console.print(Text("✓ ", style="green") + Text(str(folder / file)), soft_wrap=True)


def _test_message(sink: str, actor: str, now: datetime) -> Delivery:
    alert = Alert(
        id=0,
        model="mlplat.test",
        kind="test",
        subject="",
        severity=Severity.P3,
        state=State.OPEN,
        detail=f"A test of the sink {sink}, by {actor}. Nothing is wrong.",
        affects=(),
        window="",
        failing=True,
        before=0,
        began_at=now,
    )
    message = Message(says=Said.TEST, alert=alert, at=now)
    return Delivery(id=0, sink=sink, message=message, attempts=0, due=now)
