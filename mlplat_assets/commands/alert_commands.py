"""`mlplat alerts ...`: what is wrong, who has taken it up, who is told."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from mlplat_assets.commands.model_commands import Reason
from mlplat_assets.commands.output import HELP, console
from resources.settings import from_environment

Number = Annotated[int, typer.Argument(metavar="ALERT", help="Its number.", show_default=False)]
Named = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A model, view or label table.", show_default=False),
]

alerts_app = typer.Typer(no_args_is_help=True, context_settings=HELP)


@alerts_app.command("list")
def alerts_list(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="And what it reads. Default: all."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="The newest 100, ended ones too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON document.")] = False,
) -> None:
    """Open alerts, the worst first, and what could not be delivered."""
    from mlplat_assets.commands.alerts import list_alerts

    list_alerts(from_environment(), console(), model, every=every, as_json=as_json)


@alerts_app.command("show")
def alerts_show(alert: Number) -> None:
    """One alert: what, since when, who has taken it up."""
    from mlplat_assets.commands.alerts import show

    show(from_environment(), console(), alert)


@alerts_app.command("ack")
def alerts_ack(alert: Number, reason: Reason) -> None:
    """Say that you have taken it up."""
    from mlplat_assets.commands.alerts import acknowledge

    acknowledge(from_environment(), console(), alert, reason)


@alerts_app.command("silence")
def alerts_silence(
    name: Named,
    until: Annotated[
        datetime,
        typer.Option(help="UTC.", formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d"], show_default=False),
    ],
    reason: Reason,
    kind: Annotated[str | None, typer.Option(help="Of alerts, as `drift`. Default: any.")] = None,
    subject: Annotated[
        str | None, typer.Option(help="Of alerts, as a column. Default: any.")
    ] = None,
) -> None:
    """Tell nobody of its alerts until a moment; they open and resolve all the same."""
    from mlplat_assets.commands.alerts import silence

    end = until.replace(tzinfo=UTC)
    silence(from_environment(), console(), name, end, reason, kind=kind, subject=subject)


@alerts_app.command("silences")
def alerts_silences() -> None:
    """The silences in force."""
    from mlplat_assets.commands.alerts import list_silences

    list_silences(from_environment(), console())


@alerts_app.command("unsilence")
def alerts_unsilence(
    number: Annotated[int, typer.Argument(metavar="SILENCE", show_default=False)], reason: Reason
) -> None:
    """End a silence before its time."""
    from mlplat_assets.commands.alerts import unsilence

    unsilence(from_environment(), console(), number, reason)


@alerts_app.command("test")
def alerts_test(
    sink: Annotated[
        str | None, typer.Argument(metavar="[SINK]", help="Default: every one.")
    ] = None,
) -> None:
    """Send a test message to the sinks of MLPLAT_ALERTS; status 1 if one did not take it."""
    from mlplat_assets.commands.alert_sinks import send_test

    raise typer.Exit(0 if send_test(from_environment(), console(), sink) else 1)


@alerts_app.command("rules")
def alerts_rules(
    output: Annotated[
        Path, typer.Option(help="Folder for Prometheus' and Grafana's files.", show_default=False)
    ],
) -> None:
    """Write Prometheus rules and a Grafana dashboard of what is declared."""
    from mlplat_assets.commands.alert_sinks import write_rules

    write_rules(from_environment(), console(), output)
