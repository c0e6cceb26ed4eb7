"""`mlplat dev`: Dagster's webserver and daemon and one served model, together in one terminal."""

import sys

from rich.console import Console
from rich.table import Table

from mlplat_assets.commands.processes import (
    LOOPBACK,
    Child,
    child_environment,
    require_free_port,
    run_together,
)
from mlplat_assets.commands.serve import serving_port
from resources.settings import REPOSITORY, Settings

WORKSPACE = REPOSITORY / "workspace.yaml"


def dev(settings: Settings, console: Console, model: str | None, *, port: int) -> int:
    """Run the three until Ctrl-C, or until one of them fails; returns the exit status.

    Without a model it is the first declared one. Serving begins as soon as it has a production
    version and its Bento.

    Raises:
        LookupError: workspace.yaml is missing, or no model is declared.
        ValueError: A port is taken.
    """
    if not WORKSPACE.exists():
        raise LookupError(f"{WORKSPACE} is missing; restore it from the repository")
    served, listening = model or _first_model(), serving_port(settings)
    for needed in (port, listening):
        require_free_port(needed)
    _tell(console, served, port, listening)
    return run_together(
        children(served, webserver_port=port, serving_port=listening),
        environment=child_environment(settings),
        console=console,
    )


def children(model: str, *, webserver_port: int, serving_port: int) -> list[Child]:
    """The three commands, all on the loopback interface."""
    workspace = ("-w", str(WORKSPACE))
    web = ("-m", "dagster_webserver", "-h", LOOPBACK, "-p", str(webserver_port))
    serve = ("-m", "mlplat_assets.cli", "serve", model, "--wait", "--port", str(serving_port))
    return [
        Child(name="webserver", command=(sys.executable, *web, *workspace), colour="cyan"),
        Child(
            name="daemon",
            command=(sys.executable, "-m", "dagster._daemon", "run", *workspace),
            colour="magenta",
        ),
        Child(name="serving", command=(sys.executable, *serve), colour="green"),
    ]


def _first_model() -> str:
    from mlplat_assets.catalogue import catalogue

    models = sorted(catalogue().models)
    if not models:
        raise LookupError("no model is declared; add a file to mlplat_assets/models/catalog/TEAM/")
    return models[0]


def _tell(console: Console, model: str, port: int, listening: int) -> None:
    made = Table.grid(padding=(0, 2))
    made.add_row("Dagster", f"http://{LOOPBACK}:{port}")
    made.add_row(model, f"http://{LOOPBACK}:{listening}/v1/predict")
    made.add_row("[dim]Ctrl-C ends all[/]")
    console.print(made)
    console.print()
