"""`mlplat rollout ...`: versions on their way to all units."""

import typer

from mlplat_assets.commands.model_commands import Model, Number, Reason
from mlplat_assets.commands.output import HELP, console
from resources.settings import from_environment

rollout_app = typer.Typer(no_args_is_help=True, context_settings=HELP)


@rollout_app.command("show")
def rollout_show(model: Model) -> None:
    """Where the last rollout stands, by which steps, on what evidence."""
    from mlplat_assets.commands.rollout import show

    show(from_environment(), console(), model)


@rollout_app.command("start")
def rollout_start(model: Model, version: Number, reason: Reason) -> None:
    """Begin with a version as a shadow, as the model declares."""
    from mlplat_assets.commands.rollout import start

    start(from_environment(), console(), model, version, reason)


@rollout_app.command("freeze")
def rollout_freeze(model: Model, reason: Reason) -> None:
    """Let it not go on; a guardrail still takes it back."""
    from mlplat_assets.commands.rollout import freeze

    freeze(from_environment(), console(), model, True, reason)


@rollout_app.command("resume")
def rollout_resume(model: Model, reason: Reason) -> None:
    """Let a frozen one go on."""
    from mlplat_assets.commands.rollout import freeze

    freeze(from_environment(), console(), model, False, reason)


@rollout_app.command("advance")
def rollout_advance(model: Model, reason: Reason) -> None:
    """One step on now, whatever time and units it has; all units need the approvals."""
    from mlplat_assets.commands.rollout import advance

    advance(from_environment(), console(), model, reason)


@rollout_app.command("abort")
def rollout_abort(model: Model, reason: Reason) -> None:
    """Give every unit back to the champion; after the promotion, to the one before."""
    from mlplat_assets.commands.rollout import abort

    abort(from_environment(), console(), model, reason)
