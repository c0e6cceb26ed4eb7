"""Shadow versions: they see the vectors of live answers, and answer nobody.

One thread takes what was offered in batches and rests 399 times the processor's time that it took.
So however heavy a shadow is, it holds this process's interpreter, and its core, a four-hundredth
of the time at most. Each batch makes those wait that are under way, some 30 on a busy service,
besides those that come meanwhile: with a rest of 99 times that was 1.7 in a hundred live answers,
and showed in their 99th percentile. What does not fit the queue meanwhile is dropped and counted.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from logging import getLogger
from queue import Empty, SimpleQueue
from time import perf_counter, thread_time

import msgspec
import numpy as np
import numpy.typing as npt

from bentos.model_server.artefact.encoding import Row, RowEncoder
from bentos.model_server.journal.segments import Journal, JournalUnavailable
from bentos.model_server.meter import Meter
from bentos.model_server.routing.versions import Routing, Served, Target

# Rows of one run.
_BATCH = 64
_QUEUED = 1024
_REST = 399.0
# Pairs of a shadow and the columns of a live vector; there are a few.
_KNOWN = 64
_log = getLogger("bentoml.mlplat.shadows")


class Shadowed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A live prediction that shadows repeat.

    `row` are the values of the live vector, and `names` the columns they are of;
    `event_timestamp` is ISO 8601, in UTC.
    """

    prediction_id: str
    unit_id: str
    event_timestamp: str
    names: tuple[str, ...]
    row: Row


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What a version made of some rows: predictions, or an error, and milliseconds per batch."""

    found: npt.NDArray[np.float32] | None
    error: str | None
    latency_ms: float


class Shadows:
    """Runs the shadows of the present table beside the live answers.

    It counts, per row and shadow, `shadow_answered`, `shadow_failed`, `shadow_unfed` (the live
    vector lacks a column of it) and `shadow_lost` (its journal could not be written); per row
    `shadow_dropped`.
    """

    def __init__(
        self, *, routing: Routing, journal: Journal, meter: Meter, clock: Callable[[], datetime]
    ) -> None:
        self._routing = routing
        self._journal = journal
        self._counts = meter.counts
        self._clock = clock
        self._queue: SimpleQueue[Shadowed | None] = SimpleQueue()
        self._encoders: dict[tuple[Target, tuple[str, ...]], RowEncoder | None] = {}
        self._stop = threading.Event()
        self._worked = 0.0
        # Of its own, so that whatever a shadow raises ends a future and not the thread.
        self._executor = ThreadPoolExecutor(1, "mlplat-shadow")
        self._thread = threading.Thread(target=self._run, name="mlplat-shadows", daemon=True)
        self._thread.start()

    def room(self, rows: int) -> int:
        """How many of so many rows to offer; those that the queue has no room for are counted."""
        if not self._routing.shadows:
            return 0
        taken = min(rows, max(_QUEUED - self._queue.qsize(), 0))
        self._counts["shadow_dropped"] += rows - taken
        return taken

    def offer(self, shadowed: Shadowed) -> None:
        """Take one prediction that there is room for; never blocks, never raises."""
        self._queue.put(shadowed)

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Stop; what is queued is dropped, and a shadow that is at work is not waited for long."""
        self._stop.set()
        self._queue.put(None)
        self._thread.join(timeout_seconds)
        self._executor.shutdown(wait=False, cancel_futures=True)
        if not self._thread.is_alive():
            self._journal.close()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None and not self._stop.is_set():
            started, self._worked = thread_time(), 0.0
            rows = [first, *self._waiting()]
            for served in self._routing.shadows:
                for _, alike in groupby(rows, key=lambda row: row.names):
                    self._repeat(served, list(alike))
            self._stop.wait((thread_time() - started + self._worked) * _REST)

    def _waiting(self) -> list[Shadowed]:
        rows: list[Shadowed] = []
        try:
            while len(rows) < _BATCH - 1:
                row = self._queue.get_nowait()
                if row is not None:
                    rows.append(row)
        except Empty:
            pass
        return rows

    def _repeat(self, served: Served, rows: list[Shadowed]) -> None:
        encoder = self._encoder(served, rows[0].names)
        if encoder is None:
            self._counts["shadow_unfed"] += len(rows)
            return
        outcome = self._predict(served, encoder, rows)
        self._record(served, rows, outcome)
        name = "shadow_answered" if outcome.error is None else "shadow_failed"
        self._counts[name] += len(rows)

    def _encoder(self, served: Served, names: tuple[str, ...]) -> RowEncoder | None:
        """How a shadow reads rows of these columns; None: it needs others."""
        known = served.target, names
        if known not in self._encoders:
            if len(self._encoders) >= _KNOWN:
                self._encoders.clear()
            is_fed = set(served.predictor.columns) <= set(names)
            preprocessing = served.predictor.preprocessing
            self._encoders[known] = RowEncoder(preprocessing, names) if is_fed else None
        return self._encoders[known]

    def _predict(self, served: Served, encoder: RowEncoder, rows: list[Shadowed]) -> _Outcome:
        started = perf_counter()
        future = self._executor.submit(self._run_model, served, encoder, [row.row for row in rows])
        failure = future.exception()
        error = None if failure is None else f"{type(failure).__name__}: {failure}"[:500]
        found = future.result() if failure is None else None
        if found is not None and not np.isfinite(found).all():
            found, error = None, "it predicts what is not a finite number"
        latency_ms = round((perf_counter() - started) * 1000, 3)
        return _Outcome(found=found, error=error, latency_ms=latency_ms)

    def _run_model(
        self, served: Served, encoder: RowEncoder, rows: list[Row]
    ) -> npt.NDArray[np.float32]:
        started = thread_time()
        try:
            return served.predictor.run(*encoder(rows))
        finally:
            self._worked = thread_time() - started + self._worked

    def _record(self, served: Served, rows: list[Shadowed], outcome: _Outcome) -> None:
        common = {
            "model": served.card.model,
            "version": served.target.version,
            "artifact_digest": served.target.artifact_digest,
            "error": outcome.error,
            "served_at": self._clock().isoformat(),
            "latency_ms": outcome.latency_ms,
        }
        lines = [
            msgspec.json.encode(
                {
                    "prediction_id": row.prediction_id,
                    "unit_id": row.unit_id,
                    "event_timestamp": row.event_timestamp,
                    **common,
                    **_answered(served, outcome.found, position),
                }
            )
            for position, row in enumerate(rows)
        ]
        try:
            self._journal.write(b"\n".join(lines) + b"\n")
        except JournalUnavailable as error:
            self._counts["shadow_lost"] += len(rows)
            _log.warning("%s", error)


def _answered(
    served: Served, found: npt.NDArray[np.float32] | None, position: int
) -> dict[str, object]:
    """As the live journal has it: of classes, the probability of the most probable one."""
    if found is None:
        return {"prediction": None}
    row = found[position]
    if not served.card.classes:
        return {"prediction": float(row)}
    probabilities = dict(zip(served.card.classes, row.tolist(), strict=True))
    return {"prediction": float(row.max()), "probabilities": probabilities}
