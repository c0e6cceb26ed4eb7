"""`mlplat experiments ...`: what is compared, what it says, how large it must be."""

from typing import Annotated

import typer

from mlplat_assets.commands.output import HELP, console
from resources.settings import from_environment

Name = Annotated[str, typer.Argument(metavar="NAME", help="As team.name.", show_default=False)]

experiments_app = typer.Typer(no_args_is_help=True, context_settings=HELP)


@experiments_app.command("list")
def experiments_list() -> None:
    """Every experiment, and what it says so far."""
    from mlplat_assets.commands.experiments import list_experiments

    list_experiments(from_environment(), console())


@experiments_app.command("show")
def experiments_show(name: Name) -> None:
    """What an experiment declares, its last look, and the journal rows it rests on."""
    from mlplat_assets.commands.experiments import show_experiment

    show_experiment(from_environment(), console(), name)


@experiments_app.command("size")
def experiments_size(
    name: Name,
    mean: Annotated[
        float | None,
        typer.Option(help="Of the primary metric; default: of the 28 days before.",
                     show_default=False),
    ] = None,
    sd: Annotated[
        float | None,
        typer.Option(min=0, help="Its standard deviation by unit; a share needs none.",
                     show_default=False),
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(help="Percent of the units in each arm; default: all alike.",
                     show_default=False),
    ] = None,
) -> None:  # fmt: skip
    """How many units, and days, an experiment needs to find its effect."""
    from mlplat_assets.commands.experiment_size import size_experiment

    if sd is not None and mean is None:
        raise typer.BadParameter("--sd goes with --mean.")
    size_experiment(from_environment(), console(), name, mean=mean, sd=sd, share=share)
