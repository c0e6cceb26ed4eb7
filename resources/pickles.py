"""Whether a file holds a pickle, by its content. Nothing here is ever loaded."""

import bz2
import gzip
import json
import lzma
import pickletools
import re
import zipfile
import zlib
from pathlib import Path, PurePosixPath

SUFFIXES = {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib"}
# A pickle that can run code names what to run within its first bytes.
_HEAD = 65536
_PROTOCOLS = range(6)
_NAME = re.compile(r"[\w.]+ [\w.]+")
_COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}


def holds_pickle(path: Path) -> bool:
    """Whether a file is a pickle, compressed or not, or an archive with one in it (torch.save).

    A NumPy array of objects counts: its content is a pickle.
    """
    if zipfile.is_zipfile(path):
        return _archive_holds_pickle(path)
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if _is_safetensors(path):
        return False
    return (
        _is_pickle(head, path.stat().st_size)
        or _is_array_of_objects(head)
        or _is_pickle(_inflated(path, head), None)
    )


def _archive_holds_pickle(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if PurePosixPath(entry.filename).suffix.lower() in SUFFIXES:
                return True
            with archive.open(entry) as member:
                head = member.read(_HEAD)
            if _is_pickle(head, entry.file_size) or _is_array_of_objects(head):
                return True
    return False


def _is_pickle(head: bytes, size: int | None) -> bool:
    """Whether bytes begin a pickle; `size` is that of the whole, None if it is not known."""
    if head[:1] == b"\x80" and len(head) > 1 and head[1] in _PROTOCOLS:
        return True
    names = False
    try:
        for code, argument, at in pickletools.genops(head):
            if code.name in ("GLOBAL", "INST"):
                names = bool(_NAME.fullmatch(str(argument)))
            if code.name == "STOP":
                # Without a name it is data, which only a whole file of it can be meant to be.
                return names or (at is not None and at + 1 == size)
    except (ValueError, OverflowError, IndexError):
        return False  # no instruction of any pickle
    return False


def _is_safetensors(path: Path) -> bool:
    """Whether it is a length that fits the file, then a JSON object of that length.

    Such a length may begin with the bytes 80 02, like a pickle.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= path.stat().st_size - 8:
            return False
        try:
            return isinstance(json.loads(file.read(length)), dict)
        except ValueError:
            return False


def _is_array_of_objects(head: bytes) -> bool:
    if not head.startswith(b"\x93NUMPY"):
        return False
    description = head[:256].partition(b"\n")[0]
    return re.search(rb"'descr':\s*[^,]*O", description) is not None


def _inflated(path: Path, head: bytes) -> bytes:
    """The first bytes behind a compression that joblib writes; none if there is none."""
    opened = _COMPRESSED.get(head[:2])
    try:
        if opened is not None:
            with opened(path) as stream:
                return stream.read(_HEAD)
        if head[:1] == b"\x78":
            return zlib.decompressobj().decompress(head, _HEAD)
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return b""
    return b""
