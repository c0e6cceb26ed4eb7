"""What a reader of the terminal sees."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from resources.registry.records import AuditEntry


def say(text: str) -> None:
    """A line, at once, whatever standard output is meanwhile."""
    assert sys.__stdout__ is not None  # of a program in a terminal
    sys.__stdout__.write(f"{text}\n")
    sys.__stdout__.flush()


@contextmanager
def quiet(log: Path) -> Iterator[None]:
    """Send to a file what Dagster and dbt tell of every step in this process."""
    errors = os.dup(2)
    with log.open("a") as file, redirect_stdout(file):
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(errors, 2)
            os.close(errors)


def tell(trail: Iterable[AuditEntry]) -> None:
    """The audit trail."""
    say("        audit trail:")
    for entry in trail:
        about = f" version {entry.version}" if entry.version else ""
        reason = " ".join(entry.reason.split())[:200]
        say(f"        {entry.id:3} {entry.at:%H:%M:%S} {entry.action}{about} by {_who(entry)}: "
            f"{reason}")  # fmt: skip


def _who(entry: AuditEntry) -> str:
    """Who acted, and who approved where that is somebody else."""
    others = entry.approver and entry.approver != entry.actor
    return f"{entry.actor} for {entry.approver}" if others else entry.actor
