"""`mlplat models ...`: thin commands, each importing what it needs when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from mlplat_assets.commands.output import HELP, console
from resources.settings import from_environment

Model = Annotated[str, typer.Argument(metavar="MODEL", help="As team.name.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why, for the audit log.", show_default=False)]


def _version(text: str | int) -> int:
    """A version as `3` or `v3`."""
    digits = str(text).removeprefix("v")
    if not digits.isdecimal():
        raise typer.BadParameter(f"{text!r} is no version number; write it like 3.")
    return int(digits)


Number = Annotated[
    int, typer.Argument(metavar="VERSION", parser=_version, help="As 3.", show_default=False)
]

models_app = typer.Typer(no_args_is_help=True, context_settings=HELP)


@models_app.command("list")
def models_list() -> None:
    """Every model, and the version that serves it."""
    from mlplat_assets.commands.models import list_models

    list_models(from_environment(), console())


@models_app.command("show")
def models_show(
    model: Model,
    version: Annotated[
        int | None, typer.Argument(metavar="[VERSION]", parser=_version, show_default=False)
    ] = None,
) -> None:
    """What a model declares and its versions, or one version in full."""
    from mlplat_assets.commands.model_pages import show_model, show_version

    if version is None:
        show_model(from_environment(), console(), model)
    else:
        show_version(from_environment(), console(), model, version)


@models_app.command("card")
def models_card(
    model: Model,
    version: Annotated[
        int | None,
        typer.Argument(
            metavar="[VERSION]", parser=_version, help="Default: the champion.", show_default=False
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it as a page with its plots.")
    ] = None,
) -> None:
    """The model card: use, data, metrics, slices, fairness, gates, limits, approvals."""
    from mlplat_assets.commands.model_card import show_card

    show_card(from_environment(), console(), model, version, html)


@models_app.command("promote")
def models_promote(
    model: Model,
    version: Number,
    reason: Reason,
    approver: Annotated[
        str | None,
        typer.Option(help="Give this person's approval as well: listed, not the author, you."),
    ] = None,
    break_glass: Annotated[
        bool, typer.Option("--break-glass", help="Without approvals, as an admin, on record.")
    ] = False,
) -> None:
    """Put a version that passed its gates, and has its approvals, into production."""
    from mlplat_assets.commands.models import promote

    promote(
        from_environment(),
        console(),
        model,
        version,
        approver=approver,
        reason=reason,
        break_glass=break_glass,
    )


@models_app.command("rollback")
def models_rollback(
    model: Model,
    reason: Reason,
    to: Annotated[
        int | None,
        typer.Option(parser=_version, metavar="VERSION", help="Default: the champion before."),
    ] = None,
) -> None:
    """Return an earlier champion to production."""
    from mlplat_assets.commands.models import roll_back

    roll_back(from_environment(), console(), model, reason=reason, to=to)


@models_app.command("search")
def models_search(
    model: Model,
    trials: Annotated[
        int | None, typer.Option(min=1, help="How many; default: as declared.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="How many at once.")] = 1,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A Ray cluster; `local` starts one here."),
    ] = None,
) -> None:
    """Look for better hyperparameters on the newest training set; goes on with one broken off."""
    from mlplat_assets.commands.search import search_model
    from mlplat_assets.models.search.asset import SearchRequest

    search_model(console(), model, SearchRequest(trials=trials, jobs=jobs, ray=ray))
