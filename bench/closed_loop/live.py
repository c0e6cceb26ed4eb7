"""A home at work: the real daemon, the real service, its clients, and what was seen when."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES, RunsFilter

from bench.closed_loop.report import say
from bench.closed_loop.traffic import Clients
from bench.closed_loop.world import MODEL, Home
from mlplat_assets.demo.plan import Days
from mlplat_assets.demo.workplace import MARKER, SERVICE_SECONDS, answers, running, service
from mlplat_assets.keys import Stage, key
from resources.registry.records import AuditEntry
from resources.registry.registry import Registry
from resources.registry.retraining_records import Retraining
from resources.registry.rollout_record import RolloutRecord
from resources.settings import REPOSITORY

WORKSPACE = """load_from:
  - python_module:
      module_name: bench.closed_loop.location
      location_name: mlplat
      working_directory: {folder}
"""
# A run of the daemon takes 10 to 40 s on two busy cores, a look at a rollout waits 30 s.
PATIENCE = 420.0


class Live:
    """One scenario's processes, and the lines of its report."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.began = time.monotonic()
        self.clients = Clients(home)
        self.processes: list[subprocess.Popen] = []

    @property
    def registry(self) -> Registry:
        """To read: what is decided is decided by the daemon, or by people elsewhere."""
        return self.home.world.registry

    def say(self, text: str) -> None:
        """A line of the report, with the seconds since the scenario began."""
        say(f"{time.monotonic() - self.began:5.0f} s  {text}")

    def count_answers(self) -> None:
        """Tell what clients were answered since the last count, by variant, with the ids."""
        for variant, seen in sorted(self.clients.seen.items()):
            self.say(f"answered by {variant}, {seen}")
        self.clients.seen.clear()

    def record(self) -> RolloutRecord | None:
        """The last rollout as it stands."""
        return self.registry.rollouts.last(MODEL)

    def retrainings(self) -> list[Retraining]:
        """Requests to retrain, as they stand."""
        return self.registry.retrainings.all(MODEL)

    def audit(self) -> list[AuditEntry]:
        """Everything on record of the model, oldest first."""
        return sorted(self.registry.audit(MODEL), key=lambda entry: entry.id)

    def runs_in_progress(self) -> int:
        """How many runs of the daemon hold a slot now."""
        started = RunsFilter(statuses=IN_PROGRESS_RUN_STATUSES)
        return len(self.home.world.instance.get_runs(started))

    def materialise(self, stages: tuple[Stage, ...], days: Days) -> None:
        """The model's assets of days, as the hourly automation of a live calendar does."""
        self.home.world.materialise(self.home.world.chain(MODEL, stages), days)

    def rebuild(self, days: Days) -> bool:
        """The weather's tables of days, as they come from upstream; whether all checks passed."""
        weather = [key("raw", "flights", "weather"), key("features", "flights", "weather")]
        return self.home.world.materialise(weather, days, raise_on_error=False).success

    def until(
        self, what: str, found: Callable[[], Any], *, units: int = 0, seconds: float = PATIENCE
    ) -> Any:  # noqa: ANN401
        """Wait until something is found, sending so many requests a round meanwhile.

        Raises:
            RuntimeError: The daemon or the service ended.
            TimeoutError: It did not happen.
        """
        deadline = time.monotonic() + seconds
        while not (it := found()):
            for process in self.processes:
                if process.poll() is not None:
                    raise RuntimeError(f"{what}: {process.args} ended")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not within {seconds:.0f} s")
            if units:
                self.clients.ask(units)
            time.sleep(1.0)
        return it

    def mlplat(self, *arguments: str, actor: str) -> None:
        """A person's command in a terminal.

        Raises:
            CalledProcessError: It was refused.
        """
        command = [_script("mlplat"), *arguments]
        env = os.environ | self.home.settings.environment() | {"MLPLAT_ACTOR": actor}
        subprocess.run(command, cwd=REPOSITORY, env=env, check=True, capture_output=True)
        self.say(f"{actor}: mlplat {' '.join(arguments)}")


@contextmanager
def at_work(home: Home) -> Iterator[Live]:
    """The home with its daemon and its service; both end with the block."""
    live = Live(home)
    settings = home.settings
    (settings.home / MARKER).write_text('{"processes": {}}')
    workspace = settings.home / "workspace.yaml"
    workspace.write_text(WORKSPACE.format(folder=REPOSITORY))
    bento = home.world.metadata("bentos", MODEL)["bento"]
    daemon = [_script("dagster-daemon"), "run", "-w", str(workspace)]
    with running("daemon", daemon, settings) as first, service(bento, settings) as second:
        live.processes += [first, second]
        live.until("the service", lambda: answers(settings), seconds=SERVICE_SECONDS)
        live.say(f"bentoml serve {bento} answers, dagster-daemon runs")
        try:
            yield live
        finally:
            live.clients.close()


def _script(name: str) -> str:
    return str(Path(sys.executable).parent / name)
