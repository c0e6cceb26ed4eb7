"""The segments of a journal in chunks of whole lines, so that memory does not grow with them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from bentos.model_server.journal.segments import JournalCorrupted

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, kw_only=True)
class Part:
    """Whole lines of one segment, `start` bytes from its beginning."""

    path: Path
    segment: str
    start: int
    lines: bytes

    @property
    def end(self) -> int:
        """The offset after them."""
        return self.start + len(self.lines)


@dataclass(frozen=True, kw_only=True)
class Chunk(Generic[T]):
    """Records in the order of writing, and how far they reach into each segment, in bytes."""

    records: list[T]
    offsets: dict[str, int]


def lengths(folder: Path) -> dict[str, int]:
    """The bytes of each segment now, by its name relative to the folder, the oldest one first."""
    paths = sorted(folder.rglob("*.ndjson"), key=lambda path: path.name)
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}


def next_chunk(
    folder: Path,
    offsets: Mapping[str, int],
    ends: Mapping[str, int],
    decoder: "msgspec.json.Decoder[T]",
    size: int,
) -> Chunk[T]:
    """About `size` bytes of what lies between the offsets and the ends, the oldest segment first.

    Both are bytes by segment name; an absent offset is 0. A line without its end was torn by a
    death, or is being written: it is left alone.

    Raises:
        JournalCorrupted: A whole line is no record; names the segment and the byte.
    """
    records: list[T] = []
    reached: dict[str, int] = {}
    room = size
    for part in _parts(folder, offsets, ends, size):
        records += _decoded(part, decoder)
        reached[part.segment] = part.end
        room -= len(part.lines)
        if room <= 0:
            break
    return Chunk(records=records, offsets=reached)


def _parts(
    folder: Path, offsets: Mapping[str, int], ends: Mapping[str, int], size: int
) -> Iterator[Part]:
    for segment, end in ends.items():
        path, start = folder / segment, offsets.get(segment, 0)
        while start < end and (lines := _lines(path, start, min(size, end - start))):
            yield Part(path=path, segment=segment, start=start, lines=lines)
            start += len(lines)


def _lines(path: Path, start: int, size: int) -> bytes:
    """About `size` bytes from an offset on, up to the end of a line; empty where none ends."""
    with path.open("rb") as stream:
        stream.seek(start)
        block = stream.read(size)
        if not block.endswith(b"\n"):
            block += stream.readline()
    return block[: block.rfind(b"\n") + 1]


def _decoded(part: Part, decoder: "msgspec.json.Decoder[T]") -> list[T]:
    try:
        return decoder.decode_lines(part.lines)
    except msgspec.DecodeError:
        position = part.start
        for line in part.lines.splitlines(keepends=True):
            try:
                decoder.decode(line)
            except msgspec.DecodeError as error:
                raise JournalCorrupted(
                    f"{part.path} at byte {position}: {error}; move the segment out of the "
                    "journal, cut the line out, and put it back under another name"
                ) from error
            position += len(line)
        raise
