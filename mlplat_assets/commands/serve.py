"""`mlplat serve`: the Bento of a model's production version, on this machine only."""

import sys
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from mlplat_assets.commands.processes import (
    LOOPBACK,
    Child,
    child_environment,
    port_of,
    require_free_port,
    run_together,
)
from mlplat_assets.commands.registered import require_registered
from mlplat_assets.commands.stores import opened_registry
from resources.settings import Settings

_POLL_SECONDS = 2.0


def serve(settings: Settings, console: Console, model: str, *, port: int | None, wait: bool) -> int:
    """Serve a model until a signal arrives; returns the exit status.

    With `wait`, a model that has nothing to serve yet is waited for.

    Raises:
        LookupError: The model has no production version, or its Bento is not built.
        ValueError: The port is taken.
    """
    listening = port or serving_port(settings)
    require_free_port(listening)
    tag = _awaited_tag(settings, console, model) if wait else production_tag(settings, model)
    console.print(
        Text("Serving ") + Text(tag, style="bold") + Text(f" at http://{LOOPBACK}:{listening}")
        + Text("  (Ctrl-C ends it)", style="dim")
    )  # fmt: skip
    command = (sys.executable, "-m", "bentoml", "serve", tag, "--host", LOOPBACK)
    child = Child(name="serving", command=(*command, "--port", str(listening)))
    # A service reads the registry and decides nothing: it gets no token to lose.
    environment = child_environment(replace(settings, token=None))
    return run_together([child], environment=environment, console=console)


def serving_port(settings: Settings) -> int:
    """The port of MLPLAT_SERVING_URL, BentoML's own 3000 when it names none.

    Raises:
        ValueError: The URL's port is no port.
    """
    return port_of("MLPLAT_SERVING_URL", settings.serving_url, 3000)


def production_tag(settings: Settings, model: str) -> str:
    """The Bento tag of a model's production version.

    Raises:
        LookupError: There is no such version, or its Bento is not built.
    """
    # Lazily: `bentos` pulls in its HTTP schema library, which other commands need not load.
    from bentos.packaging import bento_tag

    with opened_registry(settings) as registry:
        require_registered(registry, model)
        champion = registry.champion(model)
    if champion is None:
        raise LookupError(
            f"{model} has no production version; promote one: "
            f"`mlplat models promote {model} VERSION --reason WHY`"
        )
    tag = bento_tag(model, champion.number)
    if not _folder(settings, tag).exists():
        raise LookupError(
            f"Bento {tag} is not built in {settings.bentoml_home}; "
            f"materialise bentos/{model.replace('.', '/')}"
        )
    return tag


def _awaited_tag(settings: Settings, console: Console, model: str) -> str:
    told = ""
    while True:
        try:
            return production_tag(settings, model)
        except LookupError as error:
            if str(error) != told:
                told = str(error)
                console.print(f"Waiting: {told}", style="dim", soft_wrap=True)
            time.sleep(_POLL_SECONDS)


def _folder(settings: Settings, tag: str) -> Path:
    """Where BentoML keeps a finished Bento; its last file is bento.yaml."""
    return settings.bentoml_home / "bentos" / tag.replace(":", "/") / "bento.yaml"
