"""`mlplat`: the platform from a terminal.

Thin: each command is a function of `mlplat_assets.commands`, imported when it runs, so that
`mlplat --help` needs no library but its own.
"""

import os
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mlplat_assets.commands.feature_commands import features_app
from mlplat_assets.commands.output import HELP, console, fail
from resources.registry.errors import RegistryError
from resources.settings import from_environment

Model = Annotated[str, typer.Argument(metavar="MODEL", help="As team.name.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why, for the audit log.", show_default=False)]


class Commands(TyperGroup):
    """Commands whose expected errors are one red line and status 1."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  as Typer's own
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (KeyError, IndexError):
            raise  # a defect of ours, not a thing that was looked up and is not there
        except (RegistryError, LookupError, ValueError) as error:
            fail(error)
            raise typer.Exit(1) from error


def _version(text: str | int) -> int:
    """A version as `3` or `v3`."""
    digits = str(text).removeprefix("v")
    if not digits.isdecimal():
        raise typer.BadParameter(f"{text!r} is no version number; write it like 3.")
    return int(digits)


Number = Annotated[
    int, typer.Argument(metavar="VERSION", parser=_version, help="As 3.", show_default=False)
]

app = typer.Typer(
    cls=Commands,
    help="Every model, from raw data to a service that retrains itself.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=HELP,
)
models_app = typer.Typer(no_args_is_help=True, context_settings=HELP)
app.add_typer(models_app, name="models", help="Versions: list, show, promote, roll back, audit.")
app.add_typer(
    features_app,
    name="features",
    help="Feature views: list, show, search, lineage, sync, audit, stream, serve.",
)


@app.command()
def demo() -> None:
    """Run the whole loop on a year of real flights; takes a few minutes."""
    from mlplat_assets.demo.run import run_demo

    try:
        run_demo(from_environment(), console())
    except (FileExistsError, RuntimeError, TimeoutError) as error:
        fail(error)
        raise typer.Exit(1) from error


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


@models_app.command("promote")
def models_promote(
    model: Model,
    version: Number,
    approver: Annotated[
        str, typer.Option(help="Who approves it: listed for the model, not the author.")
    ],
    reason: Reason,
) -> None:
    """Put a version that passed its gates into production."""
    from mlplat_assets.commands.models import promote

    promote(from_environment(), console(), model, version, approver=approver, reason=reason)


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


@models_app.command("audit")
def models_audit(
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="Default: all.", show_default=False)
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check the chain of hashes.")] = False,
) -> None:
    """Who decided what, when and why."""
    from mlplat_assets.commands.models import audit

    audit(from_environment(), console(), model, verify=verify)


@app.command()
def explain(
    prediction_id: Annotated[
        str, typer.Argument(help="From the service's answer.", show_default=False)
    ],
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON document.")] = False,
) -> None:
    """Trace a prediction to its version, approver, code and data."""
    from mlplat_assets.commands.explain import explain_prediction

    explain_prediction(from_environment(), console(), prediction_id, as_json=as_json)


@app.command()
def serve(
    model: Model,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Default: that of MLPLAT_SERVING_URL.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until there is a production version and its Bento.")
    ] = False,
) -> None:
    """Serve a model's production version on this machine."""
    from mlplat_assets.commands.serve import serve as run

    raise typer.Exit(run(from_environment(), console(), model, port=port, wait=wait))


@app.command()
def dev(
    model: Annotated[
        str | None,
        typer.Argument(metavar="[MODEL]", help="The one to serve; default: the first."),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of Dagster's webserver.")] = 3001,
) -> None:
    """Run Dagster's webserver and daemon, and serve a model."""
    from mlplat_assets.commands.dev import dev as run

    raise typer.Exit(run(from_environment(), console(), model, port=port))


@app.command()
def doctor() -> None:
    """Tell what is configured, what is reachable, and how to fix what is not."""
    from mlplat_assets.commands.doctor import examine

    raise typer.Exit(0 if examine(from_environment(), console()) else 1)


def main() -> None:
    """Run the command line on this process's arguments."""
    from mlplat_assets.commands.processes import child_environment

    # For Dagster in this process, and for every child that is given no environment of its own.
    os.environ.update(child_environment(from_environment()))
    app(prog_name="mlplat")


if __name__ == "__main__":
    main()
