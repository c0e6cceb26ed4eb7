"""Whether predictions can be recorded: found out by failing, and then by trying again."""

import asyncio
import os
import uuid
from logging import getLogger
from pathlib import Path

PROBE_SECONDS = 1.0
# As much as a batch of 64 records: a disk that takes this takes the next batch.
_PROBE_BYTES = 256 * 1024
_log = getLogger("bentoml.mlplat.journal")


class JournalHealth:
    """Well until a write failed, and again once a probe of the folder was written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._probing: asyncio.Task[None] | None = None
        self.problem: str | None = None

    def failed(self, problem: str) -> None:
        """A write failed; called on the event loop."""
        if self.problem is None:
            _log.error("predictions are not recorded: %s", problem)
        self.problem = problem
        if self._probing is None or self._probing.done():
            self._probing = asyncio.get_running_loop().create_task(self._probe())

    async def _probe(self) -> None:
        while self.problem is not None:
            await asyncio.sleep(PROBE_SECONDS)
            try:
                await asyncio.to_thread(write_probe, self._folder)
            except OSError as error:
                self.problem = str(error)
            else:
                self.problem = None
                _log.warning("predictions are recorded again in %s", self._folder)


def write_probe(folder: Path) -> None:
    """Write and remove a file as large as a batch.

    Raises:
        OSError: It cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".probe-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    try:
        with path.open("xb", buffering=0) as stream:
            # A disk that is nearly full takes a part of a write without an error.
            written = stream.write(bytes(_PROBE_BYTES))
            if written != _PROBE_BYTES:
                raise OSError(f"{path}: {written} of {_PROBE_BYTES} bytes were written")
            os.fsync(stream.fileno())
    finally:
        path.unlink(missing_ok=True)
