"""`mlplat traffic ...`: which units each version answers."""

from typing import Annotated

import typer

from mlplat_assets.commands.model_commands import Model, Number, Reason
from mlplat_assets.commands.output import HELP, console
from resources.settings import from_environment

Percent = Annotated[
    float,
    typer.Argument(metavar="PERCENT", help="Of all units, 0 to 100, by 0.01.", show_default=False),
]
Variant = Annotated[
    str, typer.Argument(metavar="NAME", help="The variant, as `blue`.", show_default=False)
]
Unit = Annotated[str, typer.Argument(metavar="UNIT", help="A unit id.", show_default=False)]

traffic_app = typer.Typer(no_args_is_help=True, context_settings=HELP)


@traffic_app.command("show")
def traffic_show(model: Model) -> None:
    """The table: variants, versions, shares, shadows, overrides."""
    from mlplat_assets.commands.traffic import show

    show(from_environment(), console(), model)


@traffic_app.command("canary")
def traffic_canary(model: Model, version: Number, percent: Percent, reason: Reason) -> None:
    """Let a version answer a share of the units, before it is promoted."""
    from mlplat_assets.commands.traffic import set_share

    set_share(from_environment(), console(), model, version, percent, reason)


@traffic_app.command("arm")
def traffic_arm(
    model: Model, name: Variant, version: Number, percent: Percent, reason: Reason
) -> None:
    """Let a version answer a share of the units as a variant of its own: A/B tests."""
    from mlplat_assets.commands.traffic import set_share

    set_share(from_environment(), console(), model, version, percent, reason, variant=name)


@traffic_app.command("end")
def traffic_end(model: Model, name: Variant, reason: Reason) -> None:
    """Give a variant's units back to the champion."""
    from mlplat_assets.commands.traffic import end_arm

    end_arm(from_environment(), console(), model, name, reason)


@traffic_app.command("shadow")
def traffic_shadow(
    model: Model,
    version: Number,
    reason: Reason,
    off: Annotated[bool, typer.Option("--off", help="Let it be one no longer.")] = False,
) -> None:
    """Let a version predict what is answered, without answering."""
    from mlplat_assets.commands.traffic import set_shadow

    set_shadow(from_environment(), console(), model, version, not off, reason)


@traffic_app.command("override")
def traffic_override(
    model: Model,
    unit: Unit,
    reason: Reason,
    variant: Annotated[
        str | None, typer.Argument(metavar="[VARIANT]", help="As `canary`.", show_default=False)
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Its bucket decides again.")] = False,
) -> None:
    """Give one unit a variant, whatever its bucket: testers."""
    from mlplat_assets.commands.traffic import set_override

    if off is (variant is not None):
        raise typer.BadParameter("name a variant, or --off, and not both.")
    set_override(from_environment(), console(), model, unit, variant, reason)


@traffic_app.command("clear")
def traffic_clear(model: Model, reason: Reason) -> None:
    """End every variant, shadow and override: the champion answers all."""
    from mlplat_assets.commands.traffic import clear

    clear(from_environment(), console(), model, reason)


@traffic_app.command("of")
def traffic_of(model: Model, unit: Unit) -> None:
    """Which bucket and variant a unit has, and which version answers it."""
    from mlplat_assets.commands.traffic import show_unit

    show_unit(from_environment(), console(), model, unit)


@traffic_app.command("audit")
def traffic_audit(model: Model) -> None:
    """Recompute the bucket and variant of every recorded prediction; status 1 if one differs."""
    from mlplat_assets.commands.traffic_audit import audit

    raise typer.Exit(0 if audit(from_environment(), console(), model) else 1)
