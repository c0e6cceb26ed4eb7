"""What a reader of the terminal sees."""

import sys
from collections.abc import Iterable, Mapping

from resources.registry.records import AuditEntry


def say(text: str) -> None:
    """A line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def tell(seen: Mapping[str, object], trail: Iterable[AuditEntry]) -> None:
    """The answers that clients got since they last began to count, and the audit trail."""
    for variant, answers in sorted(seen.items()):
        say(f"        {variant}: {answers}")
    say("        audit trail:")
    for entry in trail:
        about = f" version {entry.version}" if entry.version else ""
        reason = " ".join(entry.reason.split())[:200]
        say(f"        {entry.id:3} {entry.at:%H:%M:%S} {entry.action}{about} by {entry.actor}: "
            f"{reason}")  # fmt: skip
