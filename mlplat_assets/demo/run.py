"""`mlplat demo`: the whole loop on a year of real flights, on embedded stores."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mlplat_assets.demo.plan import CALM, HISTORY, LATE_LABELS, WINTER, YEAR
from mlplat_assets.demo.workplace import (
    SERVICE_SECONDS,
    answers,
    daemon,
    fresh_settings,
    service,
    wait_until,
)
from resources.settings import Settings

RETRAINING_SECONDS = 900.0


def run_demo(settings: Settings, console: Console) -> None:
    """Run the loop from raw data to a decision about a retrained model, and print a summary.

    Everything that runs and libraries say goes to `demo.log` in the home folder.

    Raises:
        FileExistsError: The home folder holds stores that the demo did not make.
        RuntimeError, TimeoutError: A process ended, or something did not happen in time.
    """
    settings = fresh_settings(settings.home)
    os.environ.update(settings.environment(), DAGSTER_EVENT_BATCH_SIZE="1000")
    with _quiet(settings.home / "demo.log", console) as screen, ExitStack() as children:
        from mlplat_assets.catalogue import catalogue
        from mlplat_assets.definitions import defs
        from mlplat_assets.demo.loop import Loop
        from mlplat_assets.demo.summary import summary

        loop = Loop(settings, catalogue(), defs())
        step = _steps(screen)
        with step("Sources and features of the year, labels until the model goes live"):
            loop.build_features(YEAR)
            loop.build_labels(HISTORY)
        daemon_process = children.enter_context(daemon(settings))
        with step("Training set, training, evaluation, registration"):
            loop.train()
        with step("Promotion by a person; the daemon builds the Bento; the service starts"):
            loop.promote(1, "first model of the demo")
            wait_until("the Bento", loop.bento_is_built, [daemon_process], 90)
            service_process = children.enter_context(service(loop.bento(), settings))
            waiting = [daemon_process, service_process]
            wait_until("the service", lambda: answers(settings), waiting, SERVICE_SECONDS)
        with step(f"Live traffic, {CALM}"), _progress(screen, loop.requests(CALM)) as advance:
            loop.serve(CALM, advance)
        with step("Predictions into the lake, drift"):
            loop.watch(CALM)
        with step(f"Live traffic, {WINTER}"), _progress(screen, loop.requests(WINTER)) as advance:
            loop.serve(WINTER, advance)
        with step("Late labels, predictions, drift"):
            loop.build_labels(LATE_LABELS)
            loop.watch(WINTER)
        with step("The governor sees the drift and lets a retraining through; the daemon retrains"):
            wait_until("the challenger", loop.challenger_is_judged, waiting, RETRAINING_SECONDS)
        with step("The challenger is promoted or refused"):
            loop.decide(waiting)
            loop.measure()
        summary(loop, screen)


@contextmanager
def _quiet(log: Path, console: Console) -> Iterator[Console]:
    """Send what this process prints to a file, and give a console that still reaches people."""
    screen_descriptor, error_descriptor = os.dup(1), os.dup(2)
    stream: TextIO = os.fdopen(screen_descriptor, "w")
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield Console(file=stream, width=console.width if console.is_terminal else 110)
    except BaseException:
        stream.write(f"The demo stopped; what ran and why is in {log}\n")
        raise
    finally:
        stream.flush()
        os.dup2(screen_descriptor, 1)
        os.dup2(error_descriptor, 2)
        os.close(error_descriptor)
        stream.close()


def _steps(screen: Console) -> Callable[[str], AbstractContextManager[None]]:
    started = time.monotonic()

    @contextmanager
    def step(what: str) -> Iterator[None]:
        began = time.monotonic()
        with screen.status(what):
            yield
        now = time.monotonic()
        screen.print(f"[green]✓[/] {now - started:5.0f} s  {what} [dim]({now - began:.0f} s)[/]")

    return step


@contextmanager
def _progress(screen: Console, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    columns = (TextColumn("  requests"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("requests", total=total)
        yield lambda done: bar.advance(task, done)
