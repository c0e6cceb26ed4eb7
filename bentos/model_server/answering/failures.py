"""Requests that a version was given and did not answer, on record beside its predictions.

A rollout is judged by them. Counters of a process begin again with it, and a scrape behind a load
balancer reads one process of many; a journal has neither fault.
"""

from collections.abc import Callable
from datetime import datetime
from logging import getLogger

from bentos.model_server.answering.refusals import refusal_of
from bentos.model_server.journal.segments import Journal, JournalUnavailable
from bentos.model_server.meter import Meter
from bentos.model_server.request.contract import Request
from bentos.model_server.routing.versions import Choice
from bentos.model_server.runtime.batcher import Overloaded

# No fault of a version; and turning away must stay cheap, the disk may be what is full.
_OF_THE_SERVICE = (Overloaded, JournalUnavailable)
_log = getLogger("bentoml.mlplat.failures")


class Failures:
    """Records failed requests of one model, as far as its journal can be written.

    It counts `failure_recorded` and `failure_lost`.
    """

    def __init__(self, *, journal: Journal, meter: Meter, clock: Callable[[], datetime]) -> None:
        self._journal = journal
        self._counts = meter.counts
        self._clock = clock

    def record(self, error: Exception, choice: Choice, request: Request) -> None:
        """Take one down, unless it says nothing of the version."""
        if isinstance(error, _OF_THE_SERVICE):
            return
        record = {
            "model": choice.served.card.model,
            "version": choice.served.target.version,
            "variant": choice.variant,
            "revision": choice.revision,
            "unit_id": request.unit_id,
            "status": int(refusal_of(error).status),
            "error": type(error).__name__,
            "served_at": self._clock().isoformat(),
            "event_timestamp": request.event_timestamp.isoformat(),
        }
        try:
            self._journal.append(record)
            self._counts["failure_recorded"] += 1
        except JournalUnavailable as lost:
            self._counts["failure_lost"] += 1
            _log.warning("%s", lost)

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()
