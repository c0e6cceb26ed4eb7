"""The prediction journal: newline-delimited JSON segments that survive the server's death.

A line is handed to the kernel in one write before its answer leaves, so an acknowledged
prediction outlives `kill -9`. A death in the middle of a write leaves a torn last line, which
no client was answered for; the reader leaves it alone.
"""

import fcntl
import json
import os
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

_SEGMENT_BYTES = 64 * 1024 * 1024


class JournalUnavailable(RuntimeError):
    """A prediction could not be recorded, so it must not be answered."""


class JournalCorrupted(ValueError):
    """A whole line of a segment is not a JSON object."""


class Journal:
    """Appends to `<folder>/<UTC start>-<pid>-<random>.ndjson`, one new segment per process."""

    def __init__(
        self, folder: Path, clock: Callable[[], datetime], segment_bytes: int = _SEGMENT_BYTES
    ) -> None:
        self.folder = folder
        self._clock = clock
        self._segment_bytes = segment_bytes
        self._file: int | None = None
        self._written = 0

    def append(self, record: Mapping[str, object]) -> None:
        """Write one record; it is in the kernel when this returns.

        Raises:
            JournalUnavailable: The folder cannot be written, or the disk is full.
        """
        self.write(msgspec.json.encode(record) + b"\n")

    def write(self, lines: bytes) -> None:
        """Write whole lines of records in one go; they are in the kernel when this returns.

        Raises:
            JournalUnavailable: The folder cannot be written, or the disk is full.
        """
        try:
            if self._file is None or self._written >= self._segment_bytes:
                self._open_segment()
            assert self._file is not None
            written = os.write(self._file, lines)
        except OSError as error:
            raise JournalUnavailable(f"journal {self.folder}: {error}") from error
        if written != len(lines):
            # The torn line stays the last of its segment: the next record opens another.
            self.close()
            raise JournalUnavailable(f"journal {self.folder}: {written} of {len(lines)} bytes")
        self._written += written

    def close(self) -> None:
        """End the segment; a later append opens another."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open_segment(self) -> None:
        self.close()
        self.folder.mkdir(parents=True, exist_ok=True)
        start = self._clock().strftime("%Y%m%dT%H%M%S%fZ")
        path = self.folder / f"{start}-{os.getpid()}-{uuid.uuid4().hex[:8]}.ndjson"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o644)
        # As long as a process may write here, nobody takes the segment for one that is done with.
        fcntl.flock(self._file, fcntl.LOCK_SH)
        self._written = 0


def read_segments(
    folder: Path, offsets: Mapping[str, int]
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Records written since `offsets`, oldest segment first, and the offsets after them.

    Offsets are bytes by segment name relative to the folder; an absent one is 0. Only whole
    lines are read. Reading again from the returned offsets gives no record twice.

    Raises:
        JournalCorrupted: A whole line is not a JSON object; names the segment and offset.
    """
    records: list[dict[str, Any]] = []
    after = dict(offsets)
    for path in sorted(folder.rglob("*.ndjson"), key=lambda path: path.name):
        name = path.relative_to(folder).as_posix()
        position = after.get(name, 0)
        with path.open("rb") as stream:
            stream.seek(position)
            for line in stream:
                if not line.endswith(b"\n"):
                    break
                records.append(_record(line, path, position))
                position += len(line)
        after[name] = position
    return records, after


def _record(line: bytes, path: Path, position: int) -> dict[str, Any]:
    try:
        record: object = json.loads(line)
    except ValueError as error:
        raise JournalCorrupted(f"{path} at byte {position}: {error}") from error
    if not isinstance(record, dict):
        raise JournalCorrupted(f"{path} at byte {position}: not a JSON object")
    return record
