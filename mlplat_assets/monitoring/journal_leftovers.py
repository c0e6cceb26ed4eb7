"""Segments of the prediction journal that the lake has whole."""

import fcntl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from mlplat_assets.monitoring.journal_intake import OFFSETS
from resources.lake import Lake


def taken_in(lake: Lake, journal: Path, before: datetime) -> Iterator[Path]:
    """Segments that were last written before a moment, taken in to their end, and closed.

    A last line without its end was torn by a death: nobody was answered for it.
    """
    if not lake.has(OFFSETS):
        return
    rows = lake.read(f"select folder, segment, bytes from {OFFSETS} order by 1, 2").to_pylist()
    for row in rows:
        path = journal / row["folder"] / row["segment"]
        if not path.is_file() or path.stat().st_mtime >= before.astimezone(UTC).timestamp():
            continue
        if _is_whole(path, row["bytes"]) and not _is_open(path):
            yield path


def _is_whole(path: Path, taken: int) -> bool:
    with path.open("rb") as stream:
        stream.seek(taken)
        return not stream.readline().endswith(b"\n")


def _is_open(path: Path) -> bool:
    """Whether a process still has the segment to write to: each holds a lock on its own."""
    with path.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
