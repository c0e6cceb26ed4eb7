"""A service under load to which things happen, and what the client and the journal say of it."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import psutil

from bench.faults.client import Asked, Client
from bench.serving_contenders import Running

# Refusals that are no failures: the service said that it cannot answer now, and why.
REFUSALS = (429, 503)


class Row(msgspec.Struct, frozen=True, gc=False):
    """What the bench reads of a record of the journal."""

    prediction_id: str
    unit_id: str
    version: int
    variant: str
    served_at: datetime
    bucket: int = -1
    revision: int = 0


@dataclass(kw_only=True)
class Phase:
    """One thing that happened, and when: seconds since 1970.

    Attributes:
        moment: When it had been done; effect is counted from here.
        version: The version that answered until then, if it is to answer no more.
        revision: The revision of the traffic table that must be seen.
        effect: Seconds to effect, where it was seen rather than read from the journal.
        note: What else was seen.
    """

    name: str
    begun: float
    ended: float = 0.0
    moment: float = 0.0
    version: int | None = None
    revision: int | None = None
    effect: float | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A phase's counts.

    Attributes:
        failed: Requests without an answer, or with another than 200, 429 and 503.
        refused: Of 429 and 503, by status and reason.
        missing: Acknowledged predictions that the journal does not hold.
    """

    phase: str
    requests: int
    failed: int
    refused: dict[str, int]
    acknowledged: int
    journalled: int
    missing: int
    effect: float | None
    note: str
    failures: dict[str, int]


class Storm:
    """Phases of one client on one service."""

    def __init__(self, service: Running, client: Client, journal: Path) -> None:
        self.service = service
        self.client = client
        self.phases: list[Phase] = []
        self._journal = journal

    @contextmanager
    def phase(self, name: str, seconds: float) -> Iterator[Phase]:
        """A phase: what is done in the context, then so many seconds of load more."""
        phase = Phase(name=name, begun=time.time())
        self.phases.append(phase)
        yield phase
        time.sleep(seconds)
        phase.ended = time.time()

    def workers(self) -> list[psutil.Process]:
        """The processes that answer: those that hold the listening socket, less the supervisor."""
        found: list[psutil.Process] = []
        for child in self.service.process.children(recursive=True):
            with suppress(psutil.Error):  # it has just ended
                if "--fd" in child.cmdline():
                    found.append(child)
        return found

    def segments(self) -> set[str]:
        """The process ids that have written to the journal."""
        return {path.name.split("-")[1] for path in self._journal.glob("*.ndjson")}

    def wait_for_workers(self, count: int, seconds: float = 60.0) -> None:
        """Wait until so many workers live and each has answered.

        Raises:
            TimeoutError: They do not.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            living = {str(one.pid) for one in self.workers()}
            if len(living) == count and living <= self.segments():
                return
            time.sleep(0.05)
        raise TimeoutError(f"{len(self.workers())} workers after {seconds:g} s, expected {count}")

    def rows(self) -> list[Row]:
        """All records of the journal, torn last lines left out."""
        found: list[Row] = []
        for path in sorted(self._journal.glob("*.ndjson")):
            lines = path.read_bytes().split(b"\n")
            found += [msgspec.json.decode(line, type=Row) for line in lines[:-1]]
        return found

    def outcomes(self, rows: list[Row]) -> list[Outcome]:
        """Every phase's counts."""
        return [self._outcome(phase, rows, {row.prediction_id for row in rows})
                for phase in self.phases]  # fmt: skip

    def _outcome(self, phase: Phase, rows: list[Row], journalled: set[str]) -> Outcome:
        asked = [one for one in self.client.asked if phase.begun <= one.sent < phase.ended]
        given = [one for one in asked if one.acknowledged]
        failed = [one for one in asked if one.status != 200 and one.status not in REFUSALS]
        within = [row for row in rows if phase.begun <= row.served_at.timestamp() < phase.ended]
        return Outcome(
            phase=phase.name,
            requests=len(asked),
            failed=len(failed),
            refused=dict(Counter(_reason(one) for one in asked if one.status in REFUSALS)),
            acknowledged=len(given),
            journalled=len(within),
            missing=sum(one.prediction_id not in journalled for one in given),
            effect=_effect(phase, within),
            note=phase.note,
            failures=dict(Counter(_reason(one) for one in failed)),
        )


def _effect(phase: Phase, rows: list[Row]) -> float | None:
    """Seconds from the moment to the last answer as before it, of any worker."""
    if phase.version is None and phase.revision is None:
        return phase.effect
    stale = [
        row.served_at.timestamp()
        for row in rows
        if (phase.version is not None and row.version == phase.version)
        or (phase.revision is not None and row.revision < phase.revision)
    ]
    return max(0.0, max(stale, default=0.0) - phase.moment)


def _reason(one: Asked) -> str:
    return f"{one.status} {one.why}".strip()
