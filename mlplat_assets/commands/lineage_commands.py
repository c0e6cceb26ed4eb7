"""Commands about where versions come from, what they touch and what they cost."""

from typing import Annotated, Literal

import typer

from mlplat_assets.commands.model_commands import Model, Number
from mlplat_assets.commands.output import HELP, console
from resources.settings import from_environment

Json = Annotated[bool, typer.Option("--json", help="As one JSON document.")]

# Commands of `mlplat models`, and of `mlplat` itself.
model_lineage_app = typer.Typer(context_settings=HELP)
lineage_app = typer.Typer(context_settings=HELP)


@model_lineage_app.command("diff")
def models_diff(
    model: Model,
    before: Number,
    after: Number,
    as_json: Json = False,
) -> None:
    """What changed from one version to another: data, features, code, parameters, environment."""
    from mlplat_assets.commands.model_difference import show_difference

    show_difference(from_environment(), console(), model, before, after, as_json=as_json)


@model_lineage_app.command("reproduce")
def models_reproduce(
    model: Model,
    version: Number,
    data: Annotated[
        Literal["then", "now"],
        typer.Option(help="The lake as it was when the version was made, or as it is now."),
    ] = "then",
) -> None:
    """Make a version again from its lineage and compare digests; status 1 where one differs."""
    from mlplat_assets.commands.model_reproduction import reproduce_version

    same = reproduce_version(from_environment(), console(), model, version, now=data == "now")
    raise typer.Exit(0 if same else 1)


@lineage_app.command("impact")
def impact(
    partition: Annotated[
        tuple[str, str],
        typer.Option(metavar="VIEW DAY", help="As flights.weather 2013-05-03.", show_default=False),
    ],
    as_json: Json = False,
) -> None:
    """Every training set, version and prediction that a bad partition touched."""
    from mlplat_assets.commands.impact import show_impact

    show_impact(from_environment(), console(), *partition, as_json=as_json)


@lineage_app.command("costs")
def costs(
    team: Annotated[str | None, typer.Option(help="Default: all.", show_default=False)] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DAY", help="From this UTC day on.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """What training took and cost by team and model, failed and refused attempts included."""
    from mlplat_assets.commands.costs import show_costs

    show_costs(from_environment(), console(), team, since, as_json=as_json)


@lineage_app.command("gc")
def gc(
    delete: Annotated[bool, typer.Option("--delete", help="Do it; else only tell.")] = False,
    older_than: Annotated[
        int, typer.Option(metavar="DAYS", min=1, help="Nobody touched it for so many days.")
    ] = 30,
) -> None:
    """Delete what no version references any more; without --delete, tell what that is."""
    from mlplat_assets.commands.gc import collect, now_utc

    collect(from_environment(), console(), now_utc(), days=older_than, delete=delete)
