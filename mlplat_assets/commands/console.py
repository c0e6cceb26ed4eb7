"""`mlplat console`: the web console on this machine."""

from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from mlplat_assets.catalogue import catalogue
from mlplat_assets.commands.processes import LOOPBACK, require_free_port
from mlplat_assets.console.app import app
from mlplat_assets.console.desk import desk
from mlplat_assets.console.model_views import read_ahead
from resources.settings import Settings


def utc_now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(UTC)


def serve_console(settings: Settings, console: Console, port: int) -> None:
    """Listen on this machine only: reading asks nobody who they are.

    Raises:
        ValueError: The port is taken.
    """
    import uvicorn

    require_free_port(port)
    made = desk(settings, catalogue(), utc_now)
    read_ahead(made)
    console.print(
        Text("The console is at ")
        + Text(f"http://{LOOPBACK}:{port}", style="bold")
        + Text("  (Ctrl-C ends it)", style="dim")
    )
    # No access log: it would be the only place where paths and ids of predictions are kept.
    uvicorn.run(app(made), host=LOOPBACK, port=port, log_level="warning", access_log=False)
