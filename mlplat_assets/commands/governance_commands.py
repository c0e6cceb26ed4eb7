"""Commands about who may decide, who approved, and what was decided."""

from datetime import datetime
from typing import Annotated

import typer

from mlplat_assets.commands.model_commands import Model, Number, Reason
from mlplat_assets.commands.output import HELP, console
from resources.registry.identity import Role
from resources.settings import from_environment

Approver = Annotated[
    str | None, typer.Option(help="Whose it is, while the registry has no tokens; else yours.")
]
Holder = Annotated[str, typer.Argument(metavar="NAME", help="The holder.", show_default=False)]

# Commands of `mlplat models`, `mlplat audit` and `mlplat tokens`.
decisions_app = typer.Typer(context_settings=HELP)
audit_app = typer.Typer(no_args_is_help=True, context_settings=HELP)
tokens_app = typer.Typer(no_args_is_help=True, context_settings=HELP)


@decisions_app.command("approve")
def models_approve(
    model: Model, version: Number, reason: Reason, approver: Approver = None
) -> None:
    """Approve a version for production: its artefact and its evidence as they are."""
    from mlplat_assets.commands.decisions import approve

    approve(from_environment(), console(), model, version, approver=approver, reason=reason)


@decisions_app.command("reject")
def models_reject(model: Model, version: Number, reason: Reason, approver: Approver = None) -> None:
    """Reject a version, which blocks its promotion until that is revoked."""
    from mlplat_assets.commands.decisions import reject

    reject(from_environment(), console(), model, version, approver=approver, reason=reason)


@decisions_app.command("revoke")
def models_revoke(
    model: Model,
    version: Number,
    approver: Annotated[str, typer.Option(help="Whose approval or rejection; yours, if no admin.")],
    reason: Reason,
) -> None:
    """Take back an approval or a rejection."""
    from mlplat_assets.commands.decisions import revoke

    revoke(from_environment(), console(), model, version, approver=approver, reason=reason)


@decisions_app.command("champion")
def models_champion(
    model: Model,
    at: Annotated[
        datetime | None,
        typer.Option(help="UTC. Default: now.", formats=["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"]),
    ] = None,
) -> None:
    """Which version was in production at a moment, on which data, and who approved it."""
    from mlplat_assets.commands.decisions import show_champion

    show_champion(from_environment(), console(), model, at)


@audit_app.command("log")
def audit_log(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="Default: all.", show_default=False)
    ] = None,
    newest: Annotated[int, typer.Option(min=1, help="Only the newest so many.")] = 100,
) -> None:
    """Who decided what, when and why."""
    from mlplat_assets.commands.audit import show_log

    show_log(from_environment(), console(), model, newest)


@audit_app.command("verify")
def audit_verify() -> None:
    """Check the chain of hashes, and versions, approvals, tokens and traffic against it."""
    from mlplat_assets.commands.audit import verify

    verify(from_environment(), console())


@tokens_app.command("create")
def tokens_create(
    name: Holder,
    role: Annotated[Role, typer.Option(help="The first is an admin's.", show_default=False)],
    days: Annotated[
        int | None, typer.Option(min=1, help="It ends after so many. Default: never.")
    ] = None,
) -> None:
    """Make a token and show it, this once."""
    from mlplat_assets.commands.tokens import create

    create(from_environment(), console(), name, role, days)


@tokens_app.command("list")
def tokens_list() -> None:
    """Who may do what, and until when."""
    from mlplat_assets.commands.tokens import list_tokens

    list_tokens(from_environment(), console())


@tokens_app.command("revoke")
def tokens_revoke(name: Holder) -> None:
    """End a token at once."""
    from mlplat_assets.commands.tokens import revoke

    revoke(from_environment(), console(), name)


@tokens_app.command("serving")
def tokens_serving(
    name: Annotated[str, typer.Argument(help="The client.", show_default=False)],
    revoke: Annotated[bool, typer.Option("--revoke", help="Take the token out again.")] = False,
) -> None:
    """Make a token for a client of the model servers and show it, this once."""
    from mlplat_assets.commands.tokens import admit_client, turn_client_away

    (turn_client_away if revoke else admit_client)(from_environment(), console(), name)
