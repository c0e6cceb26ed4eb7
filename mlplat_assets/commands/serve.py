"""`mlplat serve`: the Bentos of models' production versions, one port each."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
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
from mlplat_assets.commands.registered import holdings, require_registered
from mlplat_assets.commands.stores import opened_registry
from resources.service_addresses import announced
from resources.settings import Settings

_POLL_SECONDS = 2.0
_COLOURS = ("green", "cyan", "magenta", "yellow", "blue")


@dataclass(frozen=True, kw_only=True)
class Listening:
    """How services listen: the first port (None: that of MLPLAT_SERVING_URL), and the rest.

    Attributes:
        port: Of the first model; the next ones count up.
        host: The IP address to bind; beyond the loopback only with tokens.
        workers: Processes of each model, one core each.
    """

    port: int | None = None
    host: str = LOOPBACK
    workers: int = 1


def serve(
    settings: Settings,
    console: Console,
    models: Sequence[str],
    listening: Listening,
    *,
    wait: bool = False,
) -> int:
    """Serve models until a signal arrives or one of them ends; returns the exit status.

    With `wait`, models that have nothing to serve yet are waited for.

    Raises:
        LookupError: A model has no production version, or its Bento is not built.
        ValueError: A port is taken or there is none left, or everybody could ask.
    """
    require_tokens(settings, listening.host)
    ports = assigned_ports(models, listening.port or serving_port(settings))
    for port in ports.values():
        require_free_port(port)
    urls, children = {}, []
    for (model, port), colour in zip(ports.items(), _cycled(len(ports)), strict=True):
        tag = _awaited_tag(settings, console, model) if wait else production_tag(settings, model)
        urls[model] = f"http://{_reached(listening.host)}:{port}"
        console.print(
            Text("Serving ") + Text(tag, style="bold") + Text(f" at {urls[model]}")
            + Text("  (Ctrl-C ends it)", style="dim")
        )  # fmt: skip
        children.append(_child(settings, model, tag, port, listening, colour))
    # A service reads the registry and decides nothing: it gets no token to lose.
    environment = child_environment(replace(settings, token=None))
    with announced(settings.home, urls):
        return run_together(children, environment=environment, console=console)


def served_models(settings: Settings) -> list[str]:
    """Every model that has a production version, by name.

    Raises:
        LookupError: None has.
    """
    models = sorted(name for name, held in holdings(settings).items() if held.champion)
    if not models:
        raise LookupError(
            "no model has a production version; promote one: "
            "`mlplat models promote MODEL VERSION --reason WHY`"
        )
    return models


def assigned_ports(models: Sequence[str], first: int) -> dict[str, int]:
    """A port for each model, counting up.

    Raises:
        ValueError: A model is named twice, or they do not fit below 65536.
    """
    if len(set(models)) < len(models):
        raise ValueError(f"models {list(models)}: one is named twice; name each once")
    last = first + len(models) - 1
    if last > 65535:
        raise ValueError(f"--port {first} leaves no port for {models[-1]}; choose a lower one")
    return {model: first + offset for offset, model in enumerate(models)}


def require_tokens(settings: Settings, host: str) -> None:
    """Refuse to listen beyond this machine to everybody.

    Raises:
        ValueError: The host is no IP address, or not a loopback one while there are no tokens.
    """
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError as error:
        raise ValueError(f"--host {host!r} is not an IP address; pass one, like 0.0.0.0") from error
    if not is_loopback and settings.serving_tokens is None:
        raise ValueError(
            f"--host {host} would answer everybody who reaches this machine; set "
            "MLPLAT_SERVING_TOKENS to the file of the clients' tokens, or leave --host out"
        )


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
    from bentos.packaging import bento_folder, bento_tag

    with opened_registry(settings) as registry:
        require_registered(registry, model)
        champion = registry.champion(model)
    if champion is None:
        raise LookupError(
            f"{model} has no production version; promote one: "
            f"`mlplat models promote {model} VERSION --reason WHY`"
        )
    tag = bento_tag(model, champion.number)
    # Of a finished Bento this is the last file.
    if not (bento_folder(settings.bentoml_home, tag) / "bento.yaml").exists():
        raise LookupError(
            f"Bento {tag} is not built in {settings.bentoml_home}; "
            f"materialise bentos/{model.replace('.', '/')}"
        )
    return tag


def _child(
    settings: Settings, model: str, tag: str, port: int, listening: Listening, colour: str
) -> Child:
    from bentos.packaging import bento_folder

    # By folder and with a home of its own: `bentoml serve` clears the metrics of its home.
    bento = bento_folder(settings.bentoml_home, tag)
    return Child(
        name=model,
        command=(
            *(sys.executable, "-m", "bentoml", "serve", str(bento)),
            *("--host", listening.host, "--port", str(port)),
        ),
        colour=colour,
        environment={
            "BENTOML_HOME": str(_home(settings, model)),
            "BENTOML_CONFIG_OPTIONS": f"services.ModelServer.workers={listening.workers}",
        },
    )


def _home(settings: Settings, model: str) -> Path:
    return settings.home / "services" / model


def _reached(host: str) -> str:
    """Where a service that listens on this address is reached from this machine."""
    return LOOPBACK if ip_address(host).is_unspecified else host


def _cycled(count: int) -> list[str]:
    return [_COLOURS[i % len(_COLOURS)] for i in range(count)]


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
