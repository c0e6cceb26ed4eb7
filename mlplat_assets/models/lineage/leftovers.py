"""What ended or killed work left on this machine: caches, temporary files, checkpoints, Bentos."""

import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from resources.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A file or folder that nothing needs, with its size in bytes."""

    kind: str
    path: Path
    size: int

    def delete(self) -> None:
        """Remove it; what is gone already is no error."""
        if self.path.is_dir() and not self.path.is_symlink():
            shutil.rmtree(self.path)
        else:
            self.path.unlink(missing_ok=True)


def leftovers(
    settings: Settings, needed: Collection[str], served: Collection[str], before: datetime
) -> Iterator[Leftover]:
    """What is older than a moment by its newest file.

    Args:
        settings: Where the stores of this machine are.
        needed: Digests of pieces that are kept: their local copies stay.
        served: Bentos to keep, as `flights__arrival_delay/v3`.
        before: Younger ones may be in use.
    """
    names = {digest.removeprefix("sha256:") for digest in needed}
    cache = settings.home / "cache"
    for part in ("files", "folders"):
        yield from _old("cache", (p for p in _in(cache / part) if p.name not in names), before)
    stores = [cache, cache / "files", cache / "folders"]
    if "://" not in settings.artifacts_url:
        stores += _in(Path(settings.artifacts_url) / "blobs")
    hidden = (p for store in stores for p in _in(store) if p.name.startswith("."))
    yield from _old("temporary", hidden, before)
    yield from _old("temporary", Path(tempfile.gettempdir()).glob("mlplat-*"), before)
    yield from _old("checkpoint", _in(settings.home / "checkpoints"), before)
    bentos = settings.bentoml_home / "bentos"
    built = (p for model in _in(bentos) for p in _in(model) if p.is_dir())
    unserved = (p for p in built if p.relative_to(bentos).as_posix() not in served)
    yield from _old("Bento", unserved, before)


def _in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _old(kind: str, paths: Iterable[Path], before: datetime) -> Iterator[Leftover]:
    for path in paths:
        # A link is what it is, not what it points to.
        found = [p.lstat() for p in (path, *(path.rglob("*") if path.is_dir() else ()))]
        if max(one.st_mtime for one in found) < before.astimezone(UTC).timestamp():
            # A hard link to a kept piece frees nothing.
            size = sum(one.st_size for one in found if one.st_nlink == 1)
            yield Leftover(kind=kind, path=path, size=size)
