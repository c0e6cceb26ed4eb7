"""`mlplat retrain ...`: what asked for retrainings, and the decisions that people take."""

from typing import Annotated

import typer

from mlplat_assets.commands.model_commands import Model, Reason
from mlplat_assets.commands.output import HELP, console
from resources.settings import from_environment

Asked = Annotated[
    int, typer.Argument(metavar="REQUEST", help="Its number, as in `list`.", show_default=False)
]
Approver = Annotated[
    str | None, typer.Option(help="Whose it is, while the registry has no tokens; else yours.")
]
AsJson = Annotated[bool, typer.Option("--json", help="As one JSON document.")]

retrain_app = typer.Typer(no_args_is_help=True, context_settings=HELP)


@retrain_app.command("list")
def retrain_list(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="Default: all.", show_default=False)
    ] = None,
    newest: Annotated[int, typer.Option(min=1, help="Only the newest so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Requests to retrain, and how each stands."""
    from mlplat_assets.commands.retrain import list_requests

    list_requests(from_environment(), console(), model, newest, as_json=as_json)


@retrain_app.command("show")
def retrain_show(model: Model, request: Asked, as_json: AsJson = False) -> None:
    """One request: what asked, the evidence, and every state that it was in."""
    from mlplat_assets.commands.retrain import show_request

    show_request(from_environment(), console(), model, request, as_json=as_json)


@retrain_app.command("request")
def retrain_request(model: Model, reason: Reason) -> None:
    """Ask for a retraining; the governor judges it."""
    from mlplat_assets.commands.retrain import request

    request(from_environment(), console(), model, reason)


@retrain_app.command("approve")
def retrain_approve(
    model: Model, request: Asked, reason: Reason, approver: Approver = None
) -> None:
    """Let a waiting retraining be launched."""
    from mlplat_assets.commands.retrain import settle

    settle(from_environment(), console(), model, request, reason, approver, launch=True)


@retrain_app.command("reject")
def retrain_reject(model: Model, request: Asked, reason: Reason, approver: Approver = None) -> None:
    """Let a waiting retraining not be launched."""
    from mlplat_assets.commands.retrain import settle

    settle(from_environment(), console(), model, request, reason, approver, launch=False)
