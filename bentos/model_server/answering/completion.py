"""From the predictions of a batch to its answers: recorded first, in one write."""

from collections.abc import Callable, Sequence
from datetime import datetime
from time import monotonic, perf_counter
from typing import cast

import msgspec

from bentos.model_server.answering.pending import Pending
from bentos.model_server.answering.records import Found, Recorder, is_usable
from bentos.model_server.answering.refusals import (
    DeadlinePassed,
    PredictionFailed,
    PredictionUnusable,
)
from bentos.model_server.journal.health import JournalHealth
from bentos.model_server.journal.segments import Journal, JournalUnavailable
from bentos.model_server.meter import Meter
from bentos.model_server.routing.shadows import Shadowed, Shadows

# Where and why is in the service's log: callers have no business with its disks.
_UNRECORDED = "predictions cannot be recorded at the moment, so none is given; try again"


class Completion:
    """The end of every batch of one process.

    Attributes:
        health: Whether predictions can be recorded.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        recorder: Recorder,
        clock: Callable[[], datetime],
        meter: Meter,
        shadows: Shadows | None,
    ) -> None:
        self.health = JournalHealth(journal.folder)
        self._journal = journal
        self._recorder = recorder
        self._clock = clock
        self._meter = meter
        self._shadows = shadows

    def wanted(self, items: list[Pending]) -> list[Pending]:
        """The items whose callers still wait; the others are told that it is too late."""
        now = monotonic()
        kept: list[Pending] = []
        for item in items:
            if item.outcome.done():
                continue
            if item.caller.deadline < now:
                self._meter.counts["deadline_passed"] += 1
                item.outcome.set_exception(
                    DeadlinePassed("the deadline passed before a prediction")
                )
            else:
                kept.append(item)
        return kept

    def finish(
        self, items: list[Pending], found: Sequence[object] | Exception, seconds: float
    ) -> None:
        """Record what was predicted in so many seconds, then hand out the answers."""
        self._meter.batch(len(items))
        self._meter.stage("predict", seconds)
        if isinstance(found, Exception):
            for item in items:
                _fail(item, PredictionFailed(f"{item.plan.card.model}: {found}"))
            return
        started = perf_counter()
        pairs = list(zip(items, cast(Sequence[Found], found), strict=True))
        if not is_usable([value for _, value in pairs]):
            pairs = [pair for pair in pairs if _check(*pair)]
        served_at = msgspec.json.encode(self._clock().isoformat())
        made = [
            (item, *self._recorder.written(item, value, served_at))
            for item, value in pairs
            if not item.outcome.done()
        ]
        problem = self._record(b"".join([line for _, _, line, _ in made]))
        self._meter.stage("journal", perf_counter() - started)
        answered: list[tuple[Pending, str]] = []
        for item, body, line, prediction_id in made:
            if problem is not None and line:
                if item.plan.card.serving.journal.required:
                    item.outcome.set_exception(JournalUnavailable(_UNRECORDED))
                    continue
                self._meter.counts["journal_lost"] += 1
            item.outcome.set_result(body)
            answered.append((item, prediction_id))
        self._repeat(answered)

    def _repeat(self, answered: list[tuple[Pending, str]]) -> None:
        """Offer what was answered, and under which id, to the shadows."""
        if self._shadows is not None:
            for item, prediction_id in answered[: self._shadows.room(len(answered))]:
                self._shadows.offer(_shadowed(item, prediction_id))

    def _record(self, lines: bytes) -> str | None:
        """Write lines of a batch; what is wrong if they could not be."""
        if not lines:
            return None
        if self.health.problem is not None:
            return self.health.problem
        try:
            self._journal.write(lines)
        except JournalUnavailable as error:
            self.health.failed(str(error))
            return str(error)
        return None


def _fail(item: Pending, error: Exception) -> None:
    if not item.outcome.done():
        item.outcome.set_exception(error)


def _check(item: Pending, found: Found) -> bool:
    if is_usable([found]):
        return True
    _fail(item, PredictionUnusable(f"{item.plan.card.model} predicts no finite number for this"))
    return False


def _shadowed(item: Pending, prediction_id: str) -> Shadowed:
    return Shadowed(
        prediction_id=prediction_id,
        unit_id=item.request.unit_id,
        event_timestamp=item.request.event_timestamp.isoformat(),
        names=item.plan.names,
        row=item.row,
    )
