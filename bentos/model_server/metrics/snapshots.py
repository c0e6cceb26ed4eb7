"""Counters of every worker of one service, through a file of each process.

`bentoml serve` runs one process per core and the kernel gives a scrape to any of them. Each
process writes what it counts to a file of its own, about once a second and when it ends; a scrape
reads them all. What a dead process counted stays counted; what it only held, a queue, is gone.
"""

import os
import threading
import time
import uuid
from collections.abc import Callable
from logging import getLogger
from pathlib import Path

import msgspec

from bentos.model_server.meter import Answered, Meter

PUBLISH_SECONDS = 1.0
# Gauges of a process that has not published for so long are not believed: it was killed.
_STALE_SECONDS = 5.0
_log = getLogger("bentoml.mlplat.metrics")


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What one process had counted at `at`, seconds of the epoch; see `Meter`."""

    model: str
    at: float
    answers: list[tuple[Answered, list[float]]]
    stages: dict[str, list[float]]
    batches: list[float]
    statuses: dict[str, int]
    counts: dict[str, int]
    gauges: dict[str, float]


def snapshot(meter: Meter, model: str, at: float, *, ended: bool = False) -> Snapshot:
    """What a meter has counted; a process that has ended holds nothing."""
    # list() and dict() of a dictionary are one step for other threads, so the event loop may
    # count meanwhile.
    return Snapshot(
        model=model,
        at=at,
        answers=[(key, list(bins)) for key, bins in list(meter.answers.items())],
        stages={name: list(bins) for name, bins in list(meter.stages.items())},
        batches=list(meter.batches),
        statuses=dict(meter.statuses),
        counts=dict(meter.counts),
        gauges={} if ended else {name: float(read()) for name, read in list(meter.gauges.items())},
    )


class Publisher:
    """Publishes a process's counters into a folder and reads those of its siblings.

    Files are named by the process that started this one, since services of one machine share
    BentoML's folder.
    """

    def __init__(
        self, meter: Meter, model: str, folder: Path, clock: Callable[[], float] = time.time
    ) -> None:
        self._meter = meter
        self._model = model
        self._folder = folder
        self._clock = clock
        self._family = f"mlplat-{os.getppid()}-"
        self._file = folder / f"{self._family}{os.getpid()}-{uuid.uuid4().hex[:8]}.json"
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="mlplat-metrics", daemon=True)

    def start(self) -> None:
        """Publish about once a second from now on."""
        self._thread.start()

    def close(self) -> None:
        """Publish for the last time."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self.publish(ended=True)

    def publish(self, *, ended: bool = False) -> None:
        """Write this process's file; a folder that cannot be written is logged."""
        taken = snapshot(self._meter, self._model, self._clock(), ended=ended)
        part = self._file.with_suffix(".part")
        try:
            with self._lock:
                # Another service that starts on the same BENTOML_HOME removes the folder.
                self._folder.mkdir(parents=True, exist_ok=True)
                part.write_bytes(msgspec.json.encode(taken))
                part.replace(self._file)
        except OSError as error:
            _log.warning("metrics of this process are not published: %s", error)

    def collected(self) -> list[Snapshot]:
        """This process's counters as they are now, and its siblings' as last published."""
        mine = snapshot(self._meter, self._model, self._clock())
        found = [mine]
        for path in sorted(self._folder.glob(f"{self._family}*.json")):
            if path != self._file and (sibling := self._read(path)) is not None:
                found.append(sibling)
        return found

    def _read(self, path: Path) -> Snapshot | None:
        try:
            read = msgspec.json.decode(path.read_bytes(), type=Snapshot)
        except (OSError, msgspec.MsgspecError) as error:
            _log.warning("metrics of a sibling are left out: %s: %s", path, error)
            return None
        is_stale = self._clock() - read.at > _STALE_SECONDS
        return msgspec.structs.replace(read, gauges={}) if is_stale else read

    def _follow(self) -> None:
        while not self._stop.wait(PUBLISH_SECONDS):
            self.publish()
