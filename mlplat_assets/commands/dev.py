"""`mlplat dev`: Dagster, MLflow's UI and one served model, together in one terminal."""

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mlplat_assets.commands.processes import (
    LOOPBACK,
    Child,
    child_environment,
    port_of,
    require_free_port,
    run_together,
)
from mlplat_assets.commands.serve import serving_port
from mlplat_assets.models.tracking.runs import SQLITE, artefact_location
from resources.settings import REPOSITORY, Settings

WORKSPACE = REPOSITORY / "workspace.yaml"


def dev(settings: Settings, console: Console, model: str | None, *, port: int) -> int:
    """Run all until Ctrl-C, or until one of them fails; returns the exit status.

    Without a model it is the first declared one. Serving begins as soon as it has a production
    version and its Bento. MLflow's UI is started on a SQLite file; a server has its own.

    Raises:
        LookupError: workspace.yaml is missing, or no model is declared.
        ValueError: A port is taken.
    """
    if not WORKSPACE.exists():
        raise LookupError(f"{WORKSPACE} is missing; restore it from the repository")
    served, listening = model or _first_model(), serving_port(settings)
    tracking = tracking_interface(settings)
    for needed in (port, listening, *([tracking_port(settings)] if tracking else [])):
        require_free_port(needed)
    _tell(console, served, settings, port, listening)
    return run_together(
        [*children(served, webserver_port=port, serving_port=listening), *tracking],
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


def tracking_interface(settings: Settings) -> list[Child]:
    """MLflow's server on the tracking store's SQLite file; none for a store that is a server.

    It answers requests by these two names only: a page elsewhere whose own name was pointed at
    this machine would otherwise read every run.
    """
    if not settings.tracking_url.startswith(SQLITE):
        return []
    port = tracking_port(settings)
    Path(settings.tracking_url.removeprefix(SQLITE)).resolve().parent.mkdir(
        parents=True, exist_ok=True
    )
    command = (
        *(sys.executable, "-m", "mlflow", "server"),
        *("--backend-store-uri", settings.tracking_url),
        *("--default-artifact-root", artefact_location(settings.tracking_url) or ""),
        *("--host", LOOPBACK, "--port", str(port), "--workers", "1"),
        *("--allowed-hosts", f"{LOOPBACK}:{port},localhost:{port}"),
    )
    return [Child(name="mlflow", command=command, colour="blue")]


def tracking_port(settings: Settings) -> int:
    """The port of MLPLAT_TRACKING_UI, 5001 when it names none.

    Raises:
        ValueError: The URL's port is no port.
    """
    return port_of("MLPLAT_TRACKING_UI", settings.tracking_ui, 5001)


def _first_model() -> str:
    from mlplat_assets.catalogue import catalogue

    models = sorted(catalogue().models)
    if not models:
        raise LookupError("no model is declared; add a file to mlplat_assets/models/catalog/TEAM/")
    return models[0]


def _tell(console: Console, model: str, settings: Settings, port: int, listening: int) -> None:
    made = Table.grid(padding=(0, 2))
    made.add_row("Dagster", f"http://{LOOPBACK}:{port}")
    made.add_row("MLflow", settings.tracking_ui)
    made.add_row(model, f"http://{LOOPBACK}:{listening}/v1/predict")
    made.add_row("[dim]Ctrl-C ends all[/]")
    console.print(made)
    console.print()
